#include "probe/recognise.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace postern::probe {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \t"));
    out.emplace_back(word);
    text.remove_prefix(word.size());
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_reply_line(std::string_view text) {
  return text.size() >= 3 && text[0] >= '2' && text[0] <= '5' && is_digit(text[1]) && is_digit(text[2]) &&
         (text.size() == 3 || text[3] == ' ' || text[3] == '-' || text[3] == '\r' || text[3] == '\n');
}

/// A keyword that a middlebox made unreadable and of the same length: "XXXXXXXA" for STARTTLS, "XXXX" for AUTH.
bool is_masked_keyword(const std::string& word) {
  if (word.size() < 4) return false;
  const auto crosses = std::count(word.begin(), word.end(), 'X');
  const auto stars = std::count(word.begin(), word.end(), '*');
  return static_cast<std::size_t>(std::max(crosses, stars)) + 1 >= word.size();
}

}  // namespace

Protocol recognise(std::string_view octets) {
  if (octets.empty()) return Protocol::None;
  const auto first = static_cast<unsigned char>(octets[0]);
  // A TLS record of type alert or handshake, version 3.x (RFC 8446 §5.1).
  if ((first == 0x15 || first == 0x16) && (octets.size() < 2 || octets[1] == 3)) return Protocol::Tls;
  const std::string text = upper(octets.substr(0, 64));
  constexpr std::array kBeginnings{
      std::pair{"HTTP/", Protocol::Http},     std::pair{"<!DOCTYPE", Protocol::Http},
      std::pair{"<HTML", Protocol::Http},     std::pair{"SSH-", Protocol::Ssh},
      std::pair{"* OK", Protocol::Imap},      std::pair{"* BYE", Protocol::Imap},
      std::pair{"* PREAUTH", Protocol::Imap}, std::pair{"+OK", Protocol::Pop3},
      std::pair{"-ERR", Protocol::Pop3},      std::pair{"\"IMPLEMENTATION\"", Protocol::ManageSieve},
  };
  for (const auto& [beginning, protocol] : kBeginnings) {
    if (text.starts_with(beginning)) return protocol;
  }
  if (is_reply_line(octets)) return text.find(" LMTP") != std::string::npos ? Protocol::Lmtp : Protocol::Smtp;
  return Protocol::Unknown;
}

const char* to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::None:
      return "nothing";
    case Protocol::Smtp:
      return "SMTP";
    case Protocol::Tls:
      return "TLS";
    case Protocol::Http:
      return "HTTP";
    case Protocol::Ssh:
      return "SSH";
    case Protocol::Imap:
      return "IMAP";
    case Protocol::Pop3:
      return "POP3";
    case Protocol::ManageSieve:
      return "ManageSieve";
    case Protocol::Lmtp:
      return "LMTP";
    case Protocol::Unknown:
      return "an unknown protocol";
  }
  return "an unknown protocol";
}

bool banner_is_masked(std::string_view text) {
  const auto stars = static_cast<std::size_t>(std::count(text.begin(), text.end(), '*'));
  return stars >= 4 && stars * 2 >= text.size();
}

void read_ehlo(const std::vector<std::string>& lines, EhloSeen& out) {
  if (!lines.empty()) {
    const std::vector<std::string> greeting = words(lines.front());
    if (!greeting.empty()) out.greeting_name = printable(greeting.front());
  }
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::vector<std::string> parts = words(upper(printable(lines[i])));
    if (parts.empty()) continue;
    if (parts[0].starts_with("AUTH=")) {  // before RFC 2554 was final; some clients look for it
      parts.insert(parts.begin() + 1, parts[0].substr(5));
      parts[0] = "AUTH";
    }
    out.masked |= is_masked_keyword(parts[0]);
    std::string keyword = parts[0];
    for (std::size_t p = 1; p < parts.size(); ++p) {
      keyword += ' ' + parts[p];
      const bool known =
          std::find(out.mechanisms.begin(), out.mechanisms.end(), parts[p]) != out.mechanisms.end();
      if (parts[0] == "AUTH" && !known) out.mechanisms.push_back(parts[p]);
    }
    out.keywords.push_back(std::move(keyword));
  }
}

std::string printable(std::string_view octets, std::size_t max) {
  std::string out(octets.substr(0, max));
  while (!out.empty() && (out.back() == '\r' || out.back() == '\n')) out.pop_back();
  for (char& c : out) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet >= 0x7f) c = '?';
  }
  return out;
}

bool EhloSeen::offers(const std::string& keyword) const {
  return std::any_of(keywords.begin(), keywords.end(), [&](const std::string& offered) {
    return offered == keyword || offered.starts_with(keyword + ' ');
  });
}

bool TlsSeen::is_old() const { return version == "SSLv3" || version == "TLSv1" || version == "TLSv1.1"; }

bool TlsSeen::verified() const {
  return outcome == TlsOutcome::Done && verify_errors.empty() && name_matches;
}

}  // namespace postern::probe
