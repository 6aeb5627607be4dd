#include "submission/testing/dialogue.h"

#include "base/base64.h"

#include <map>
#include <stdexcept>

namespace postern::submission::testing {
namespace {

using Kind = DialogueLine::Kind;

const std::map<std::string, std::string, std::less<>>& words() {
  using namespace std::string_literals;
  static const std::map<std::string, std::string, std::less<>> kWords{
      {"me", "alice@example.org"},
      {"plain", base64_encode("\0alice@example.org\0correct horse"s)},
      {"wrong", base64_encode("\0alice@example.org\0wrong"s)},
  };
  return kWords;
}

unsigned hex(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  throw std::runtime_error("bad \\x escape");
}

std::string expanded(std::string_view text);

/// {word} and {text*count}
std::string braced(std::string_view inside) {
  if (const auto word = words().find(inside); word != words().end()) return word->second;
  const std::size_t star = inside.rfind('*');
  if (star == std::string_view::npos) throw std::runtime_error("unknown {" + std::string(inside) + "}");
  std::string out;
  const std::string text = expanded(inside.substr(0, star));
  for (int i = std::stoi(std::string(inside.substr(star + 1))); i > 0; --i) out += text;
  return out;
}

std::string expanded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos) throw std::runtime_error("{ without }");
      out += braced(text.substr(i + 1, end - i - 1));
      i = end;
    } else if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else {
      const char c = text[++i];
      if (c == 'x' && i + 2 < text.size()) {
        out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
        i += 2;
      } else {
        out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c;
      }
    }
  }
  return out;
}

}  // namespace

std::vector<DialogueLine> parse_dialogue(std::string_view text) {
  std::vector<DialogueLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::string_view mark = line.substr(0, 2);
    const std::string_view rest = line.size() > 3 ? line.substr(3) : std::string_view();
    try {
      if (mark == "C:") {
        lines.push_back({Kind::Client, expanded(rest), number});
      } else if (mark == "C>") {
        lines.push_back({Kind::ClientRaw, expanded(rest), number});
      } else if (mark == "S:") {
        lines.push_back({Kind::Server, std::string(rest), number});
      } else if (mark == "S+") {
        lines.push_back({Kind::ServerReply, std::string(rest), number});
      } else if (line.front() == '!') {
        lines.push_back({Kind::Directive, std::string(line.substr(2)), number});
      } else {
        throw std::runtime_error("starts with none of C: C> S: S+ ! #");
      }
    } catch (const std::exception& error) {
      throw std::runtime_error("line " + std::to_string(number) + ": " + error.what());
    }
  }
  return lines;
}

bool is_like(std::string_view line, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return line == pattern;
  if (!line.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t skip = star; skip <= line.size(); ++skip) {
    if (is_like(line.substr(skip), rest)) return true;
  }
  return false;
}

}  // namespace postern::submission::testing
