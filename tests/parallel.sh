# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Commands of which two run at a time, for ../check and vm/check, which read this file with ".".

begun_pids=() begun_logs=()

# begin LOG COMMAND...: in the background, as soon as the last but one has ended
begin()
{
	local log=$1 n=${#begun_pids[@]}

	shift
	[ "$n" -lt 2 ] || wait "${begun_pids[n - 2]}"
	"$@" >"$log" 2>&1 &
	begun_pids+=($!) begun_logs+=("$log")
}

# finish: what each has said, in order; fails if one has failed
finish()
{
	local i status=0

	for i in "${!begun_pids[@]}"; do
		# bash remembers the status of what has been waited for
		wait "${begun_pids[i]}" || status=1
		cat "${begun_logs[i]}"
	done
	begun_pids=() begun_logs=()
	return $status
}
