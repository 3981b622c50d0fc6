#!/bin/sh
# Make ./configure from configure.ac; needed after a git clone, not after unpacking a release.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all
