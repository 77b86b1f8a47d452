"""What makes a shell ask `transfer --complete` when somebody presses Tab, and where it is kept.

No script evaluates what it is told: names are of other people. For bash it is quoted already, others quote
by themselves.
"""

import os
import shlex
from contextlib import suppress
from pathlib import Path

from transfer_service_client.connection.credentials import config_folder
from transfer_service_client.errors import TransferError

_BASH = r"""
_transfer_complete() {
    local line kind=
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY[${#COMPREPLY[@]}]=$line; fi
    done < <(command transfer --complete bash @SECONDS@ "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    if [[ $kind == files ]]; then
        compopt -o default 2>/dev/null
    elif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _transfer_complete transfer
"""
_ZSH = r"""
#compdef transfer
_transfer() {
    local line kind=
    local -a before names folders
    (( CURRENT > 2 )) && before=("${(@Q)words[2,CURRENT-1]}")
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line
        elif [[ $line == */ ]]; then folders+=("$line")
        else names+=("$line"); fi
    done < <(command transfer --complete zsh @SECONDS@ "${before[@]}" "$QIPREFIX$PREFIX" 2>/dev/null)
    if [[ $kind == files ]]; then
        _files
    else
        compadd -S '' -a folders
        compadd -a names
    fi
}
if ! (( $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
compdef _transfer transfer
"""
_FISH = r"""
function __transfer_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    set -l told (command transfer --complete fish @SECONDS@ $words "$current" 2>/dev/null)
    if test "$told[1]" = files
        __fish_complete_path "$current"
    else if test (count $told) -gt 1
        printf '%s\n' $told[2..-1]
    end
end
complete --command transfer --no-files --arguments '(__transfer_complete)'
"""
_POWERSHELL = r"""
Register-ArgumentCompleter -Native -CommandName transfer -ScriptBlock {
    param($word, $ast, $position)
    $before = @($ast.CommandElements | Where-Object { $_.Extent.EndOffset -lt $position } | Select-Object -Skip 1 |
        ForEach-Object { $_.Extent.Text.Trim('"', "'") })
    $told = @(transfer --complete powershell @SECONDS@ @before "''$word" 2>$null)
    $told | Select-Object -Skip 1 | ForEach-Object {
        $text = $_
        if ($text -match '[^\w./-]') {
            $inner = [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($text)
            $text = "'" + $inner + "'"
        }
        [System.Management.Automation.CompletionResult]::new($text, $_, 'ParameterValue', $_)
    }
}
"""
SECONDS = 0.7
"""How long somebody who has pressed Tab waits for the service; the start of the command takes its own time."""
SCRIPTS = {
    name: text.lstrip().replace("@SECONDS@", str(SECONDS))
    for name, text in (("bash", _BASH), ("zsh", _ZSH), ("fish", _FISH), ("powershell", _POWERSHELL))
}


def script_for(shell: str) -> str:
    """The script. Raises TransferError."""
    if shell not in SCRIPTS:
        raise TransferError(f"There is no completion for {shell or 'this shell'}, only for {', '.join(SCRIPTS)}")
    return SCRIPTS[shell]


def install() -> tuple[str, Path]:
    """Keep the script of the user's shell where that finds it; the shell, and where. Raises TransferError."""
    shell = Path(os.environ.get("SHELL", "")).name
    script = script_for(shell)
    if shell == "fish":
        place = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "fish/completions/transfer.fish"
    else:
        place = (config_folder() / f"completion.{shell}").resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(script, "utf-8")
    if shell != "fish":
        home = os.environ.get("ZDOTDIR") if shell == "zsh" else None
        _add_line(Path(home or "~").expanduser() / f".{shell}rc", f". {shlex.quote(str(place))}")
    return shell, place


def _add_line(path: Path, line: str) -> None:
    with suppress(FileNotFoundError):
        if line in path.read_text("utf-8", "surrogateescape").splitlines():
            return
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"\n{line}\n")
