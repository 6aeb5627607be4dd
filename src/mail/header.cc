#include "mail/header.h"

#include <algorithm>
#include <utility>

namespace postern::mail {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_space(char c) { return c == ' ' || c == '\t'; }
// ftext of RFC 5322 §2.2: printable US-ASCII except colon
bool is_ftext(char c) { return c > ' ' && c <= '~' && c != ':'; }

/// The length of the field name that starts `line`, 0 when there is none. White space before the colon is
/// obsolete syntax (§4.5.8) and accepted.
std::size_t field_name(std::string_view line) {
  std::size_t length = 0;
  while (length < line.size() && is_ftext(line[length])) ++length;
  std::size_t colon = length;
  while (colon < line.size() && is_space(line[colon])) ++colon;
  return colon < line.size() && line[colon] == ':' ? length : 0;
}

HeaderField make_field(std::string raw) {
  HeaderField field;
  field.name_length = field_name(raw);
  field.raw = std::move(raw);
  return field;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string> without_comments(std::string_view value) {
  std::string out;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool pair = c == '\\' && (quoted || depth > 0) && i + 1 < value.size();
    if (c == '"' && depth == 0) quoted = !quoted;
    if (c == '(' && !quoted) {
      if (depth++ == 0) out += ' ';
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      out += c;
      if (pair) out += value[i + 1];
    }
    if (pair) ++i;
  }
  if (depth > 0) return std::nullopt;
  return out;
}

std::string HeaderField::value() const {
  std::string out;
  const std::size_t colon = raw.find(':', name_length);
  for (const char c : std::string_view(raw).substr(colon == std::string::npos ? raw.size() : colon + 1)) {
    if (c != '\r' && c != '\n') out += c;
  }
  while (!out.empty() && is_space(out.back())) out.pop_back();
  const std::size_t first = out.find_first_not_of(" \t");
  return first == std::string::npos ? std::string() : out.substr(first);
}

Result<Header> Header::parse(std::string_view octets) {
  Header header;
  for (std::size_t number = 1; !octets.empty(); ++number) {
    const std::size_t end = octets.find("\r\n");
    if (end == std::string_view::npos) return fail(Errc::Malformed, "the header does not end with CRLF");
    const std::string_view line = octets.substr(0, end + 2);
    // Another program may take it for a line end, and read a field that we did not (RFC 3030 §3: binary content does
    // not make the header binary).
    if (line.substr(0, end).find_first_of("\r\n") != std::string_view::npos)
      return fail(Errc::Malformed, "header line " + std::to_string(number) + " holds a bare CR or LF");
    octets.remove_prefix(end + 2);
    if (is_space(line.front()) && !header.fields_.empty()) {
      header.fields_.back().raw += line;
      continue;
    }
    HeaderField field = make_field(std::string(line));
    if (field.name_length == 0)
      return fail(Errc::Malformed, "header line " + std::to_string(number) + " is not a field");
    header.fields_.push_back(std::move(field));
  }
  return header;
}

const HeaderField* Header::find(std::string_view name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(),
                                  [name](const HeaderField& f) { return same_name(f.name(), name); });
  return found == fields_.end() ? nullptr : &*found;
}

std::size_t Header::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields_.begin(), fields_.end(), [name](const HeaderField& f) { return same_name(f.name(), name); }));
}

std::size_t Header::erase(std::string_view name) {
  return erase_if([name](const HeaderField& f) { return same_name(f.name(), name); });
}

void Header::replace(std::string_view name, std::string raw) {
  HeaderField fresh = make_field(std::move(raw));
  const auto named = [name](const HeaderField& f) { return same_name(f.name(), name); };
  const auto first = std::find_if(fields_.begin(), fields_.end(), named);
  if (first == fields_.end()) {
    fields_.push_back(std::move(fresh));
    return;
  }
  fields_.erase(std::remove_if(std::next(first), fields_.end(), named), fields_.end());
  *first = std::move(fresh);
}

void Header::prepend(std::string raw) { fields_.insert(fields_.begin(), make_field(std::move(raw))); }
void Header::append(std::string raw) { fields_.push_back(make_field(std::move(raw))); }

std::string Header::octets() const {
  std::size_t size = 0;
  for (const HeaderField& field : fields_) size += field.raw.size();
  std::string out;
  out.reserve(size);
  for (const HeaderField& field : fields_) out += field.raw;
  return out;
}

}  // namespace postern::mail
