#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postern::submission::testing {

/// One line of a file of tests/dialogues, whose README.md describes the form.
struct DialogueLine {
  enum class Kind {
    Client,       ///< "C: text": sent with CRLF
    ClientRaw,    ///< "C> text": sent as it stands
    Server,       ///< "S: pattern": one line of the server, * stands for anything
    ServerReply,  ///< "S+ 250 +pattern -pattern": a whole reply; some line is like each +, none like any -
    Directive,    ///< "! word"
  };
  Kind kind;
  std::string text;
  std::size_t number;  ///< in the file, from 1
};

/// In what is sent, {me}, {plain} and {wrong} are words, {text*count} repeats, and \r \n \t \xHH \{ are octets.
/// Throws std::runtime_error, naming the line, when `text` is no dialogue.
[[nodiscard]] std::vector<DialogueLine> parse_dialogue(std::string_view text);

/// Whether `line` is like `pattern`, in which * stands for any octets.
[[nodiscard]] bool is_like(std::string_view line, std::string_view pattern);

}  // namespace postern::submission::testing
