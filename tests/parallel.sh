# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Commands of which $at_a_time (2) run at a time, for ../check and vm/check, which read this file with ".".

begun_pids=() begun_logs=() begun_running=0
declare -A begun_status

# Wait for one of them.
reap()
{
	local pid status=0

	wait -n -p pid || status=$?
	begun_status[$pid]=$status
	begun_running=$((begun_running - 1))
}

# begin LOG COMMAND...: in the background, as soon as there is room
begin()
{
	local log=$1

	shift
	while [ "$begun_running" -ge "${at_a_time:-2}" ]; do
		reap
	done
	"$@" >"$log" 2>&1 &
	begun_pids+=($!) begun_logs+=("$log")
	begun_running=$((begun_running + 1))
}

# finish: what each has said, in order; fails if one has failed
finish()
{
	local i status=0

	while [ "$begun_running" -gt 0 ]; do
		reap
	done
	for i in "${!begun_pids[@]}"; do
		[ "${begun_status[${begun_pids[i]}]}" = 0 ] || status=1
		cat "${begun_logs[i]}"
	done
	begun_pids=() begun_logs=() begun_status=()
	return $status
}
