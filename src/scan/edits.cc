#include "scan/edits.h"

#include <algorithm>
#include <array>
#include <optional>

namespace postern::scan {
namespace {

constexpr std::size_t kLongestLine = 998;  // RFC 5322 §2.1.1
constexpr std::array kProtected{"From", "Sender", "Date", "Message-ID", "Bcc"};

bool may_change(std::string_view name) {
  // ftext of RFC 5322 §3.6.8
  const bool legal = !name.empty() && std::all_of(name.begin(), name.end(),
                                                  [](char c) { return c > ' ' && c <= '~' && c != ':'; });
  return legal && std::none_of(kProtected.begin(), kProtected.end(),
                               [name](const char* kept) { return mail::same_name(kept, name); });
}

/// "Name: value" with its CRLF; a line break in the value becomes folding (RFC 5322 §2.2.3).
std::optional<std::string> field_text(const Edit& edit) {
  std::string raw = edit.name + ':';
  if (!edit.value.starts_with(' ') && !edit.value.starts_with('\t')) raw += ' ';
  std::size_t line_start = 0;
  std::string_view value = edit.value;
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.remove_suffix(1);
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n') continue;
    if (c == '\n' || c == '\r') {
      if (raw.size() - line_start > kLongestLine) return std::nullopt;
      raw += "\r\n";
      line_start = raw.size();
      if (value[i + 1] != ' ' && value[i + 1] != '\t') raw += ' ';
    } else {
      raw += c == '\t' || (c >= ' ' && c <= '~') ? c : '?';
    }
  }
  if (raw.size() - line_start > kLongestLine) return std::nullopt;
  return raw + "\r\n";
}

using Fields = std::vector<mail::HeaderField>;

void put(Fields& fields, std::size_t at, const Edit& edit, std::string raw) {
  mail::HeaderField field{std::move(raw), edit.name.size()};
  fields.insert(fields.begin() + static_cast<std::ptrdiff_t>(std::min(at, fields.size())), std::move(field));
}

void change(Fields& fields, const Edit& edit, std::string raw) {
  std::uint32_t seen = 0;
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    if (!mail::same_name(field->name(), edit.name) || ++seen < std::max(edit.index, 1U)) continue;
    if (edit.value.empty()) {
      fields.erase(field);
    } else {
      *field = mail::HeaderField{std::move(raw), edit.name.size()};
    }
    return;
  }
  if (!edit.value.empty()) put(fields, fields.size(), edit, std::move(raw));
}

void remove(Fields& fields, const Edit& edit) {
  const auto same = [&edit](const auto& field) { return mail::same_name(field.name(), edit.name); };
  if (edit.index == 0) {
    std::erase_if(fields, same);
    return;
  }
  const auto all = static_cast<std::uint32_t>(std::ranges::count_if(fields, same));
  if (edit.index > all) return;
  std::uint32_t wanted = edit.kind == Edit::Kind::Remove ? edit.index : all - edit.index + 1;
  const auto found =
      std::ranges::find_if(fields, [&](const auto& field) { return same(field) && --wanted == 0; });
  fields.erase(found);
}

}  // namespace

std::string one_printable_line(std::string_view text, std::size_t max) {
  std::string out;
  for (const char c : text) {
    if (out.size() == max) break;
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : (c > ' ' && c <= '~') ? c : '?';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

Result<std::vector<std::string>> apply_edits(mail::Header& header, const std::vector<Edit>& edits) {
  std::vector<std::string> refused;
  Fields fields = header.fields();
  for (const Edit& edit : edits) {
    std::optional<std::string> raw = may_change(edit.name) ? field_text(edit) : std::nullopt;
    if (!raw) {
      refused.push_back(one_printable_line(edit.name, 80));
      continue;
    }
    switch (edit.kind) {
      case Edit::Kind::Add:
        put(fields, fields.size(), edit, *std::move(raw));
        break;
      case Edit::Kind::Insert:
        put(fields, edit.index, edit, *std::move(raw));
        break;
      case Edit::Kind::Change:
        change(fields, edit, *std::move(raw));
        break;
      case Edit::Kind::Remove:
      case Edit::Kind::RemoveFromEnd:
        remove(fields, edit);
        break;
    }
  }
  std::string octets;
  for (const mail::HeaderField& field : fields) octets += field.raw;
  POSTERN_TRY(header, mail::Header::parse(octets));
  return refused;
}

}  // namespace postern::scan
