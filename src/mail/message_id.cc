#include "mail/message_id.h"

#include "mail/header.h"

#include <algorithm>
#include <random>

namespace postern::mail {
namespace {
bool is_id_char(char c) {
  return static_cast<unsigned char>(c) > ' ' && c != 0x7F && c != '<' && c != '>' && c != '@' && c != '(' &&
         c != ')' && c != ',' && c != ';' && c != '"';
}
bool dot_atom(std::string_view text) {
  return !text.empty() && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos && std::all_of(text.begin(), text.end(), is_id_char);
}
}  // namespace

bool valid_message_id(std::string_view text) {
  const std::optional<std::string> bare = without_comments(text);
  if (!bare) return false;
  std::string_view value = *bare;
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  if (value.size() < 5 || value.front() != '<' || value.back() != '>') return false;
  const std::string_view inside = value.substr(1, value.size() - 2);
  const std::size_t at = inside.rfind('@');
  if (at == std::string_view::npos) return false;
  std::string_view left = inside.substr(0, at);
  const std::string_view right = inside.substr(at + 1);
  const bool quoted = left.size() >= 2 && left.front() == '"' && left.back() == '"';  // obs-id-left
  if (quoted) left = left.substr(1, left.size() - 2);
  const bool left_good =
      quoted ? left.find_first_of("\"\\<> \t\r\n") == std::string_view::npos : dot_atom(left);
  const bool literal = right.size() >= 2 && right.front() == '[' && right.back() == ']';
  return left_good &&
         (literal ? right.find_first_of(" \t\r\n<>@") == std::string_view::npos : dot_atom(right));
}

std::string make_message_id(QueueId id, std::string_view hostname) {
  thread_local std::random_device device;
  const std::uint64_t random = (static_cast<std::uint64_t>(device()) << 32U) | device();
  return "<" + to_string(id) + "." + id_text(static_cast<std::int64_t>(random >> 1U)) + "@" +
         std::string(hostname) + ">";
}

}  // namespace postern::mail
