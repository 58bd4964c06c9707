# A reward program for tests, in the shell alone: scores pictures by how often the letter A stands in their PNG files in base64, which
# is arbitrary and repeatable. What it shall do wrong stands in the file `misbehave` beside it: `dies N` kills it at its Nth request,
# `dies-once N` only the first time; `nan`, `too-few`, `hangs`.
count() {
    IFS=A
    set -f
    # shellcheck disable=SC2086
    set -- $1
    unset IFS
    echo $#
}

[ -e misbehave ] && read -r behaviour number < misbehave
requests=0
while read -r line; do
    case $line in
    *'"reward"'*)
        echo '{"protocol": 1, "name": "letters A in base64", "range": [0, null]}'
        continue
        ;;
    esac
    requests=$((requests + 1))
    if [ "$requests" = "$number" ]; then
        case $behaviour in
        dies-once) [ -e died ] || { : > died; kill -9 $$; } ;;
        dies) echo 'out of memory' >&2; kill -9 $$ ;;
        esac
    fi
    [ "$behaviour" = hangs ] && sleep 60
    id=${line#*'"id":'}
    id=${id%%,*}
    pictures=${line#*'"pictures":["'}
    pictures=${pictures%%'"]'*}
    scores=
    while :; do
        picture=${pictures%%'","'*}
        score=$(count "$picture")
        [ "$behaviour" = nan ] && score=null
        scores=$scores,$score
        [ "$picture" = "$pictures" ] && break
        pictures=${pictures#*'","'}
        [ "$behaviour" = too-few ] && break
    done
    echo "{\"id\": $id, \"scores\": [${scores#,}]}"
done
