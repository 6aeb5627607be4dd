#include "delivery/extensions.h"

#include <cctype>
#include <charconv>

namespace postern::delivery {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string_view next_word(std::string_view& rest) {
  const std::size_t begin = rest.find_first_not_of(' ');
  if (begin == std::string_view::npos) return rest = {};
  rest.remove_prefix(begin);
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  return word;
}

void read_auth(std::string_view mechanisms, Extensions& out) {
  for (std::string_view word = next_word(mechanisms); !word.empty(); word = next_word(mechanisms)) {
    out.auth_plain |= word == "PLAIN";
    out.auth_login |= word == "LOGIN";
    out.auth_scram |= word == "SCRAM-SHA-256";
    out.auth_oauth_bearer |= word == "OAUTHBEARER";
    out.auth_xoauth2 |= word == "XOAUTH2";
  }
}

/// RFC 9422 §3: "RCPTMAX=20 MAILMAX=5". Values that are broken, or zero, count as absent (§3.7).
void read_limits(std::string_view limits, Extensions& out) {
  for (std::string_view word = next_word(limits); !word.empty(); word = next_word(limits)) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = word.substr(0, equals);
    const std::string_view text = word.substr(equals + 1);
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) continue;
    if (name == "RCPTMAX") out.most_recipients = value;
    if (name == "MAILMAX") out.most_messages = value;
    if (name == "RCPTDOMAINMAX") out.most_domains = value;
  }
}

void read_line(std::string_view line, Extensions& out) {
  std::string_view rest = line;
  const std::string_view keyword = next_word(rest);
  out.pipelining |= keyword == "PIPELINING";
  out.eight_bit_mime |= keyword == "8BITMIME";
  out.smtputf8 |= keyword == "SMTPUTF8";
  out.dsn |= keyword == "DSN";
  out.chunking |= keyword == "CHUNKING";
  out.mt_priority |= keyword == "MT-PRIORITY";
  out.require_tls |= keyword == "REQUIRETLS";
  if (keyword == "DELIVERBY") {
    out.deliver_by = true;
    const std::string_view least = next_word(rest);
    std::from_chars(least.data(), least.data() + least.size(), out.least_by);
  }
  out.binary_mime |= keyword == "BINARYMIME";
  out.starttls |= keyword == "STARTTLS";
  if (keyword == "SIZE") {
    out.size = true;
    const std::string_view limit = next_word(rest);
    std::from_chars(limit.data(), limit.data() + limit.size(), out.size_limit);
  }
  if (keyword == "LIMITS") read_limits(rest, out);
  if (keyword == "AUTH") read_auth(rest, out);
  if (keyword.starts_with("AUTH=")) read_auth(line.substr(line.find('=') + 1), out);
}

}  // namespace

Extensions parse_extensions(const std::vector<std::string>& lines) {
  Extensions out;
  for (std::size_t i = 1; i < lines.size(); ++i) read_line(upper(lines[i]), out);
  return out;
}

}  // namespace postern::delivery
