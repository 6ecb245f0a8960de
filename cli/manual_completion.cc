// Shell completions: subcommands, options and their choices; everything else is a file.
#include <algorithm>

#include "cli/manual.h"

namespace reelsense::cli {
namespace {

// "reelsense model list" → "model list"; the top command is "".
std::string path_of(const CommandPage& page) {
  const std::size_t space = page.name.find(' ');
  return space == std::string::npos ? "" : page.name.substr(space + 1);
}

std::string words_of(const CommandPage& page) {
  std::string words;
  for (const std::string& sub : page.subcommands) words += sub + " ";
  for (const OptionPage& option : page.options) {
    for (const std::string& name : option.names) words += name + " ";
  }
  for (const OptionPage& positional : page.positionals) {
    for (const std::string& choice : positional.choices) words += choice + " ";
  }
  if (!words.empty()) words.pop_back();
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Inside single quotes of a shell.
std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace

std::string bash_completion(const std::vector<CommandPage>& pages) {
  std::string words;
  std::string values;
  for (const CommandPage& page : pages) {
    words += "    " + shell_quoted(path_of(page)) + ") words=" + shell_quoted(words_of(page)) + " ;;\n";
    for (const OptionPage& option : page.options) {
      if (option.choices.empty() || option.names.empty()) continue;
      for (const std::string& name : option.names) {
        values += "    " + shell_quoted(path_of(page) + " " + name) +
                  ") words=" + shell_quoted(joined(option.choices)) + " ;;\n";
      }
    }
  }
  std::string subcommands;
  for (const CommandPage& page : pages) {
    for (const std::string& sub : page.subcommands) {
      subcommands += "      " + shell_quoted(path_of(page) + "/" + sub) +
                     ") command=\"${command:+$command }" + sub + "\" ;;\n";
    }
  }
  return "# bash completion of reelsense. Made by `reelsense completion bash`; source it, or put it into\n"
         "# ~/.local/share/bash-completion/completions/reelsense\n"
         "_reelsense() {\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" command='' "
         "words='' i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"$command/${COMP_WORDS[i]}\" in\n" +
         subcommands +
         "    esac\n"
         "  done\n"
         "  case \"$command\" in\n" +
         words +
         "  esac\n"
         "  case \"$command $previous\" in\n" +
         values +
         "  esac\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
         "  [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
         "}\n"
         "complete -o filenames -o bashdefault -F _reelsense reelsense\n";
}

std::string zsh_completion(const std::vector<CommandPage>& pages) {
  // zsh runs bash completions; one description of the command line is enough.
  return "#compdef reelsense\n"
         "# zsh completion of reelsense. Made by `reelsense completion zsh`; put it as _reelsense into a "
         "folder of $fpath,\n"
         "# or source it.\n"
         "autoload -U +X bashcompinit && bashcompinit\n"
         "zmodload zsh/mapfile 2>/dev/null\n" +
         [&] {
           std::string text = bash_completion(pages);
           // zsh has no `mapfile` command.
           const std::string from = "mapfile -t COMPREPLY < <(";
           const std::string to = "COMPREPLY=($(";
           for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
             text.replace(at, from.size(), to);
             text.insert(text.find('\n', at), ")");
           }
           return text.substr(text.find("_reelsense()"));
         }();
}

std::string fish_completion(const std::vector<CommandPage>& pages) {
  std::string text =
      "# fish completion of reelsense. Made by `reelsense completion fish`; put it into\n"
      "# ~/.config/fish/completions/reelsense.fish\n";
  for (const CommandPage& page : pages) {
    const std::string path = path_of(page);
    std::string condition = "__fish_use_subcommand";
    if (!path.empty()) {
      condition.clear();
      for (std::size_t start = 0; start <= path.size();) {
        const std::size_t end = std::min(path.find(' ', start), path.size());
        condition += (condition.empty() ? "" : "; and ") + std::string("__fish_seen_subcommand_from ") +
                     path.substr(start, end - start);
        start = end + 1;
      }
    }
    const std::string head = "complete -c reelsense -n " + shell_quoted(condition);
    for (const std::string& sub : page.subcommands) text += head + " -f -a " + sub + "\n";
    for (const OptionPage& option : page.options) {
      text += head;
      for (const std::string& name : option.names) {
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.choices.empty())
        text += " -x -a " + shell_quoted(joined(option.choices));
      else if (!option.argument.empty())
        text += " -r";
      text += " -d " + shell_quoted(option.text) + "\n";
    }
    for (const OptionPage& positional : page.positionals) {
      if (!positional.choices.empty())
        text += head + " -f -a " + shell_quoted(joined(positional.choices)) + "\n";
    }
  }
  return text;
}

}  // namespace reelsense::cli
