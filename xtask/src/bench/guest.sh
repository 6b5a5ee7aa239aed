# What each of a few operations takes, with nothing and with the sensor, on one
# processor whose clock counts instructions. Tells one line a workload.
cd "$(dirname "$0")" || exit 1
mkdir -p /tmp/work

measure() {
    for work in "other 100000" "open 20000" "connect 2000"; do
        set -- "$1" $work
        printf '\n\n' | ./bench workload "$2" "$3" /tmp/work | sed -n "s|^{.*\"workload\".*|RESULT $1 &|p"
    done
}

beside() {
    plan=$1
    name=$2
    shift 2
    ./activity-sensor run --plan "$plan" --state "/tmp/$plan-$name" \
        --socket "/tmp/$plan-$name.sock" "$@" > /tmp/log 2>&1 &
    sensor=$!
    until grep -q "recording socket" /tmp/log; do
        kill -0 $sensor 2> /dev/null || { cat /tmp/log >&2; exit 1; }
        sleep 1
    done
    measure "$plan/$name"
    kill $sensor
    wait $sensor
}

# The first pass fills caches of the kernel's and is not used.
measure warm
measure nothing
for plan in trampoline tracepoint; do
    beside $plan default
    beside $plan all --all
done
measure again
