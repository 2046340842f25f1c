zmodload zsh/zpty
cat > .zshrc <<END
fpath=(${(q)1} \$fpath)
autoload -Uz compinit
compinit -C -u -d ${PWD:h}/zcompdump
compadd() {
    local -a offered
    if [[ " \$* " != *" -"[OAD]" "* ]]; then
        builtin compadd -O offered "\$@"
        print -rl -- \$offered >> $PWD/offered
    fi
    builtin compadd "\$@"
}
comppostfuncs=(finish)
finish() { touch $PWD/finished }
bindkey '^I' complete-word
END
zpty shell ZDOTDIR=$PWD zsh -i
zpty -w -n shell "$2"$'\t'
for wait in {1..600}; do
    zpty -r -t shell shown
    [[ -e finished ]] && break
    sleep 0.05
done
zpty -d shell
sort -u offered 2>/dev/null
