/* The shells' side of completion: short scripts that ask `ferry --complete WORD…`, see complete.c.
 */
#include "cli/frame/cli.h"

#include <stdio.h>
#include <string.h>

/* The words are split as blanks separate them: bash breaks them at ':', '=' and '@' as well, and
 * wants only what follows the last of these. */
static const char bash[] =
	"# bash completion for ferry\n"
	"_ferry() {\n"
	"    local line=${COMP_LINE:0:COMP_POINT} words cur kept candidate\n"
	"    read -ra words <<<\"$line\"\n"
	"    if [[ $line == *[[:blank:]] ]]; then words+=(''); fi\n"
	"    cur=${words[${#words[@]} - 1]}\n"
	"    kept=''\n"
	"    if [[ $cur == *[:=@]* ]]; then kept=${cur%\"${cur##*[:=@]}\"}; fi\n"
	"    COMPREPLY=()\n"
	"    while IFS= read -r candidate; do\n"
	"        case $candidate in\n"
	"        :files) compopt -o filenames\n"
	"            mapfile -t COMPREPLY < <(compgen -f -- \"${cur#\"$kept\"}\") ;;\n"
	"        :folders) compopt -o filenames\n"
	"            mapfile -t COMPREPLY < <(compgen -d -- \"${cur#\"$kept\"}\") ;;\n"
	"        :programs) mapfile -t COMPREPLY < <(compgen -c -- \"$cur\") ;;\n"
	"        *) candidate=${candidate%%$'\\t'*}\n"
	"            COMPREPLY+=(\"${candidate#\"$kept\"}\") ;;\n"
	"        esac\n"
	"    done < <(\"${words[0]}\" --complete \"${words[@]:1}\" 2>/dev/null)\n"
	"    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then compopt -o nospace; fi\n"
	"}\n"
	"complete -F _ferry ferry\n";

static const char zsh[] =
	"#compdef ferry\n"
	"_ferry() {\n"
	"  local line value text\n"
	"  local -a values plain\n"
	"  for line in \"${(@f)$(${words[1]} --complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\";"
	" do\n"
	"    case $line in\n"
	"    '') ;;\n"
	"    :files) _files ;;\n"
	"    :folders) _files -/ ;;\n"
	"    :programs) _command_names ;;\n"
	"    *$'\\t'*) value=${line%%$'\\t'*} text=${line#*$'\\t'}\n"
	"      values+=(\"${value//:/\\\\:}:$text\") ;;\n"
	"    *) plain+=(\"$line\") ;;\n"
	"    esac\n"
	"  done\n"
	"  if (( $#values )); then _describe value values; fi\n"
	"  if (( $#plain )); then compadd -a plain; fi\n"
	"}\n"
	"if [[ $funcstack[1] == _ferry ]]; then _ferry \"$@\"; "
	"else compdef _ferry ferry; fi\n";

static const char fish[] =
	"# fish completion for ferry\n"
	"function __ferry_complete\n"
	"    set -l words (commandline -opc)\n"
	"    set -l cur (commandline -ct)\n"
	"    for line in ($words[1] --complete $words[2..-1] \"$cur\" 2>/dev/null)\n"
	"        switch $line\n"
	"            case :files\n"
	"                __fish_complete_path $cur\n"
	"            case :folders\n"
	"                __fish_complete_directories $cur\n"
	"            case :programs\n"
	"                __fish_complete_command\n"
	"            case '*'\n"
	"                echo $line\n"
	"        end\n"
	"    end\n"
	"end\n"
	"complete -c ferry -f -a '(__ferry_complete)'\n";

bool cli_completion(FILE *out, const char *shell)
{
	static const struct {
		const char *name, *script;
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
	for (size_t i = 0; i < ARRAY_LEN(shells); i++)
		if (strcmp(shells[i].name, shell) == 0)
			return fputs(shells[i].script, out) >= 0;
	return false;
}
