#include "probe/saved_nft.h"

#include <functional>
#include <vector>

namespace postern::probe {
namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : line) {
    if (c != ' ' && c != '\t' && c != '\r') {
      word += c;
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

/// Without a comment: from a # outside of quotes on.
std::string_view code_of(std::string_view line) {
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (line[i] == '#' && !quoted) return line.substr(0, i);
  }
  return line;
}

/// One spelling for rules that differ in blanks, counter values and the optional word of "reject with icmpx type".
std::string plain(std::string_view rule) {
  const std::vector<std::string> words = words_of(code_of(rule));
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "type" && i > 0 && words[i - 1].starts_with("icmp")) continue;
    out += (out.empty() ? "" : " ") + words[i];
    const bool counted =
        words[i] == "counter" && i + 4 < words.size() && words[i + 1] == "packets" && words[i + 3] == "bytes";
    if (counted) i += 4;
  }
  while (out.ends_with(';')) out.pop_back();
  return out;
}

/// Where a line stands: in which table and chain.
class Place {
 public:
  /// True when the line is a rule, or a chain's "type filter ..." line, directly inside of a chain.
  bool step(std::string_view line) {
    const std::vector<std::string> words = words_of(code_of(line));
    if (words.empty()) return false;
    if (words.back() == "{") {
      open(words);
      return false;
    }
    if (words.size() == 1 && words[0] == "}") {
      if (!blocks_.empty()) blocks_.pop_back();
      return false;
    }
    return blocks_.size() == 2 && blocks_[1].starts_with("chain ");
  }
  [[nodiscard]] bool is(const NftChain& chain) const {
    return blocks_.size() == 2 && blocks_[0] == "table " + chain.family + ' ' + chain.table &&
           blocks_[1] == "chain " + chain.name;
  }

 private:
  void open(const std::vector<std::string>& words) {
    std::string title;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) title += (i == 0 ? "" : " ") + words[i];
    if (words.size() == 3 && words[0] == "table")
      title = "table ip " + words[1];  // the family may be left out
    blocks_.push_back(std::move(title));
  }
  std::vector<std::string> blocks_;
};

/// Calls `see` for every rule of the chain with its position in `text`.
void each_rule(std::string_view text, const NftChain& chain,
               const std::function<void(std::string_view line, std::size_t at)>& see) {
  Place place;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (place.step(line) && place.is(chain)) see(line, at);
    at = end + 1;
  }
}

}  // namespace

std::string nft_rule_text(std::string_view listing, const NftChain& chain, std::string_view handle) {
  std::string out;
  each_rule(listing, chain, [&](std::string_view line, std::size_t) {
    const std::size_t mark = line.rfind("# handle ");
    if (mark == std::string_view::npos || line.substr(mark + 9) != handle) return;
    out = plain(line.substr(0, mark));
  });
  return out;
}

std::optional<std::string> with_rule_before(std::string_view config, const NftChain& chain,
                                            std::string_view rule, std::string_view line) {
  const std::string wanted = plain(rule);
  std::vector<std::size_t> found;
  each_rule(config, chain, [&](std::string_view text, std::size_t at) {
    if (plain(text) == wanted) found.push_back(at);
  });
  if (wanted.empty() || found.size() != 1) return std::nullopt;
  const std::size_t at = found.front();
  const std::size_t indent = std::min(config.find_first_not_of(" \t", at), config.size()) - at;
  std::string out(config.substr(0, at));
  out += config.substr(at, indent);
  out += line;
  out += '\n';
  return out += config.substr(at);
}

}  // namespace postern::probe
