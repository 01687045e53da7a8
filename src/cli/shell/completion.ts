import { defineCommand, type Command } from '../command/command.ts';
import * as flag from '../command/flag.ts';

const command = (shell: string, script: (program: string) => string, install: string): Command =>
  defineCommand({
    usage: '',
    short: `Print the completion script for ${shell}`,
    long: install,
    flags: { 'no-descriptions': flag.bool('Complete without descriptions') },
    args: { min: 0, max: 0 },
    run: async ({ cli }) => cli.out.write(script(cli.program)),
  });

export const bash = command(
  'bash',
  (program) => `# bash completion for ${program}; also for an alias: complete -o nospace -F _${program} docker
_${program}() {
  local words line typed=\${COMP_WORDS[COMP_CWORD]} candidates=() files=
  # Bash parts words at ':' and '='; names of images and options with values need them whole.
  line=\${COMP_LINE:0:COMP_POINT}
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local whole=\${words[-1]}
  while IFS=$'\\t' read -r candidate _; do
    if [[ $candidate == :files ]]; then files=1; continue; fi
    candidates+=("$candidate")
  done < <("\${GANTRY_COMMAND:-${program}}" __complete "\${words[@]:1}" 2>/dev/null)
  local cut=\${whole%"$typed"}
  COMPREPLY=()
  for candidate in "\${candidates[@]}"; do COMPREPLY+=("\${candidate#"$cut"}"); done
  if [[ -n $files ]]; then compopt -o filenames; COMPREPLY+=($(compgen -f -- "$typed")); return; fi
  if [[ \${#COMPREPLY[@]} -eq 1 ]]; then COMPREPLY[0]+=' '; fi
}
complete -o nospace -F _${program} ${program}
`,
  'Use it at once:      source <(gantry completion bash)\nUse it from now on:  gantry completion bash > /etc/bash_completion.d/gantry',
);

export const zsh = command(
  'zsh',
  (program) => `#compdef ${program}
# zsh completion for ${program}; also for an alias: compdef _${program} docker
_${program}() {
  local -a candidates
  local line value text files=
  while IFS= read -r line; do
    if [[ $line == :files ]]; then files=1; continue; fi
    value=\${line%%$'\\t'*}
    text=
    [[ $line == *$'\\t'* ]] && text=\${line#*$'\\t'}
    candidates+=("\${value//:/\\\\:}\${text:+:$text}")
  done < <(\${GANTRY_COMMAND:-${program}} __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#candidates} )) && _describe '${program}' candidates
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`,
  'Use it at once:      source <(gantry completion zsh)\nUse it from now on:  gantry completion zsh > "${fpath[1]}/_gantry"',
);

export const fish = command(
  'fish',
  (program) => `# fish completion for ${program}; also for an alias: complete -c docker -w ${program}
function __${program}_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (${program} __complete $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c ${program} -f -a "(__${program}_complete)"
`,
  'Use it at once:      gantry completion fish | source\nUse it from now on:  gantry completion fish > ~/.config/fish/completions/gantry.fish',
);
