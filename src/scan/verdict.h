#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postern::scan {

/// A change to a header that a scanner wants.
struct Edit {
  enum class Kind : std::uint8_t {
    Add,            ///< at the end
    Insert,         ///< so that it is field number `index` of all, from 0
    Change,         ///< field number `index`, from 1, of those with this name; an empty value removes it
    Remove,         ///< every field with this name; `index` not 0: only the one with this number, from 1
    RemoveFromEnd,  ///< field number `index`, from 1, of those with this name, counted from the last
  };
  Kind kind = Kind::Add;
  std::uint32_t index = 0;
  std::string name;
  std::string value;
};

/// What one scanner, or all of them, say of a message.
struct Verdict {
  enum class Decision : std::uint8_t { Accept, Reject, Defer };
  Decision decision = Decision::Accept;
  std::string text = {};  ///< why not, in the scanner's words: printable US-ASCII, one line; may be empty
  std::optional<double> score = std::nullopt;      ///< of the scanner that scores; higher is worse
  std::optional<double> suspicion = std::nullopt;  ///< how near the message came to a refusal, 0 to 1
  std::vector<Edit> edits = {};
  std::string summary = {};  ///< for the trace: "rspamd: add header, score 6.20 of 15.00 (GTUBE)"
};

}  // namespace postern::scan
