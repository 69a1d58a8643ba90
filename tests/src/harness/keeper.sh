# Ends what a test process leaves behind, when that process is gone: its end of this script's standard input closes then, however it ended.
# $1 is the temporary folder; every file in running/ is named after a process group and holds the signal that ends it.
while read -r _; do :; done

send() {
    for file in "$1"/running/*; do
        [ -e "$file" ] || continue
        kill -s "${2:-$(cat "$file")}" -- "-${file##*/}" 2>/dev/null
    done
}

left() {
    for file in "$1"/running/*; do
        [ -e "$file" ] || continue
        kill -s 0 -- "-${file##*/}" 2>/dev/null && return 0
    done
    return 1
}

send "$1"
send "$1" CONT
tries=100
while left "$1" && [ $tries -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done
send "$1" KILL

tries=20
until rm -rf "$1" 2>/dev/null || [ $tries = 0 ]; do
    sleep 0.2
    tries=$((tries - 1))
done
