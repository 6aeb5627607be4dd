#include "accounts/sender_rights.h"

#include "accounts/types.h"

#include <algorithm>

namespace postern::accounts {
namespace {

/// "*" matches any run of characters. Linear in practice: one point to return to is enough.
bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + static_cast<std::ptrdiff_t>(p), pattern.end(),
                     [](char c) { return c == '*'; });
}

bool domain_matches(std::string_view pattern, std::string_view domain) {
  if (!pattern.starts_with("*.")) return pattern == domain;
  const std::string_view below = pattern.substr(1);  // ".example.org"
  return domain.size() > below.size() && domain.ends_with(below);
}

}  // namespace

Result<std::string> normal_pattern(std::string_view pattern) {
  const std::size_t at = pattern.rfind('@');
  if (at == std::string_view::npos || at == 0)
    return fail(Errc::Malformed,
                "neither an address nor a pattern such as *@example.org: " + std::string(pattern));
  std::string_view domain = pattern.substr(at + 1);
  const bool below = domain.starts_with("*.");
  if (below) domain.remove_prefix(2);
  if (domain.find('*') != std::string_view::npos || domain.find('.') == std::string_view::npos) {
    return fail(Errc::Malformed, std::string(pattern) +
                                     ": in the domain, * can only stand for what is below a domain, "
                                     "as in *@*.example.org");
  }
  POSTERN_TRY(std::string normal,
              normal_address(std::string(pattern.substr(0, at + 1)) + std::string(domain)));
  if (below) normal.insert(normal.rfind('@') + 1, "*.");
  return normal;
}

bool pattern_matches(std::string_view pattern, const mail::Mailbox& mailbox) {
  const std::size_t at = pattern.rfind('@');
  const Result<mail::Mailbox> sender = normal(mailbox);
  if (at == std::string_view::npos || !sender || !domain_matches(pattern.substr(at + 1), sender->domain))
    return false;
  const std::string& local = sender->local;
  // text() quotes a local part that needs it, as the pattern is written.
  const auto written = [](const std::string& part) {
    const std::string text = mail::Mailbox{part, "x.example"}.text();
    return text.substr(0, text.rfind('@'));
  };
  const std::string_view wanted = pattern.substr(0, at);
  return glob_matches(wanted, written(local)) ||
         glob_matches(wanted, written(local.substr(0, local.find('+'))));
}

}  // namespace postern::accounts
