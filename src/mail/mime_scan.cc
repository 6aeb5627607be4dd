#include "mail/mime_scan.h"

#include "mail/header.h"

#include <algorithm>

namespace postern::mail {
namespace {

constexpr std::size_t kMaxBoundary = 70;       // RFC 2046 §5.1.1
constexpr std::size_t kMaxContentType = 4096;  // of a part; ours to choose
constexpr std::size_t kKeptLine = 1000;        // no text line is longer (RFC 5322 §2.1.1)

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// "multipart" of "multipart/mixed; boundary=x"
bool has_type(std::string_view content_type, std::string_view type) {
  return content_type.size() > type.size() && same_name(content_type.substr(0, type.size()), type);
}

/// The value of the boundary parameter (RFC 2045 §5.1), "" when there is none.
std::string boundary_of(std::string_view content_type) {
  for (std::size_t at = content_type.find(';'); at != std::string_view::npos;
       at = content_type.find(';', at + 1)) {
    std::string_view parameter = trim(content_type.substr(at + 1));
    constexpr std::string_view kName = "boundary";
    if (!has_type(parameter, kName)) continue;
    parameter = trim(parameter.substr(kName.size()));
    if (!parameter.starts_with('=')) continue;
    parameter = trim(parameter.substr(1));
    if (!parameter.starts_with('"'))
      return std::string(parameter.substr(0, std::min(parameter.find_first_of("; \t"), kMaxBoundary)));
    std::string quoted;
    for (std::size_t i = 1; i < parameter.size() && parameter[i] != '"' && quoted.size() < kMaxBoundary;
         ++i) {
      if (parameter[i] == '\\' && i + 1 < parameter.size()) ++i;
      quoted += parameter[i];
    }
    return std::string(quoted.substr(0, quoted.find_last_not_of(" \t") + 1));
  }
  return {};
}

}  // namespace

MimeScan::MimeScan(std::string_view content_type, std::size_t most) : most_(most) { enter(content_type); }

void MimeScan::enter(std::string_view content_type) {
  at_ = At::Body;
  const std::string clean = without_comments(content_type).value_or(std::string(content_type));
  const std::string_view type = trim(clean);
  if (has_type(type, "multipart/")) {
    if (std::string boundary = boundary_of(type); !boundary.empty())
      boundaries_.push_back(std::move(boundary));
  } else if (has_type(type, "message/rfc822") || same_name(type, "message/rfc822") ||
             has_type(type, "message/global") || same_name(type, "message/global")) {
    boundaries_.emplace_back();
    at_ = At::PartHeader;
  }
  deepest_ = std::max(deepest_, boundaries_.size());
  content_type_.clear();
  in_content_type_ = false;
}

void MimeScan::feed(std::string_view body) {
  while (!body.empty() && !boundaries_.empty() && deepest_ <= most_) {
    const std::size_t end = body.find('\n');
    const std::string_view piece = body.substr(0, end);
    if (end == std::string_view::npos) {
      line_ += piece.substr(0, kKeptLine - std::min(kKeptLine, line_.size()));
      return;
    }
    body.remove_prefix(end + 1);
    std::string_view line = piece;
    if (!line_.empty()) {
      line_ += piece.substr(0, kKeptLine - std::min(kKeptLine, line_.size()));
      line = line_;
    }
    line = line.substr(0, kKeptLine);
    if (line.ends_with('\r')) line.remove_suffix(1);
    on_line(line);
    line_.clear();
  }
}

void MimeScan::on_line(std::string_view line) {
  if (line.starts_with("--") && on_delimiter(line.substr(2))) return;
  if (at_ == At::PartHeader) on_header_line(line);
}

// delimiter := "--" boundary ; close-delimiter := delimiter "--" ; then white space. An outer one ends all parts within.
bool MimeScan::on_delimiter(std::string_view line) {
  for (std::size_t i = boundaries_.size(); i-- > 0;) {
    const std::string& boundary = boundaries_[i];
    if (boundary.empty() || !line.starts_with(boundary)) continue;
    const std::string_view rest = trim(line.substr(boundary.size()));
    if (!rest.empty() && rest != "--") continue;
    boundaries_.resize(rest.empty() ? i + 1 : i);
    at_ = rest.empty() ? At::PartHeader : At::Body;
    content_type_.clear();
    in_content_type_ = false;
    return true;
  }
  return false;
}

void MimeScan::on_header_line(std::string_view line) {
  if (line.empty()) return enter(std::string(content_type_));
  if (!is_space(line.front())) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    in_content_type_ = content_type_.empty() && colon < line.size() &&
                       same_name(trim(line.substr(0, colon)), "Content-Type");
    line.remove_prefix(in_content_type_ ? colon + 1 : 0);
  }
  if (in_content_type_ && content_type_.size() + line.size() <= kMaxContentType) content_type_ += line;
}

}  // namespace postern::mail
