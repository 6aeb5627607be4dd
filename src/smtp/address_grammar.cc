#include "smtp/address_grammar.h"

#include "smtp/ascii.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace postern::smtp {
namespace {

/// Reads a text from left to right, one rule after the other.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[at_]; }
  [[nodiscard]] std::size_t position() const { return at_; }
  [[nodiscard]] std::string_view since(std::size_t start) const { return text_.substr(start, at_ - start); }
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  void advance(std::size_t n = 1) { at_ += n; }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }
// atext of RFC 5322 §3.2.3, with UTF8-non-ascii of RFC 6531 §3.3
bool is_atext(char c) {
  return is_alnum(c) || is_high(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

Error malformed(const char* what) { return fail(Errc::Malformed, what); }

// Dot-string = Atom *("." Atom)
Result<> dot_string(Cursor& in) {
  do {
    if (!is_atext(in.peek())) return malformed("bad local part");
    while (is_atext(in.peek())) in.advance();
  } while (in.take('.'));
  return {};
}

// Quoted-string = DQUOTE *QcontentSMTP DQUOTE
Result<> quoted_string(Cursor& in) {
  in.advance();
  while (!in.at_end()) {
    const char c = in.peek();
    in.advance();
    if (c == '"') return {};
    if (c == '\\') {
      // quoted-pairSMTP = %d92 %d32-126
      if (in.peek() < ' ' || in.peek() > '~') return malformed("bad quoted pair in the local part");
      in.advance();
    } else if (!is_high(c) && (c < ' ' || c > '~')) {
      return malformed("control character in the local part");
    }
  }
  return malformed("quoted local part without end");
}

// Local-part = Dot-string / Quoted-string
Result<std::string> local_part(Cursor& in) {
  const std::size_t start = in.position();
  POSTERN_CHECK(in.peek() == '"' ? quoted_string(in) : dot_string(in));
  return std::string(in.since(start));
}

// sub-domain = Let-dig [Ldh-str], and U-labels (RFC 6531 §3.3); at most 63 octets (RFC 1035 §2.3.4)
bool sub_domain(Cursor& in) {
  const std::size_t start = in.position();
  while (is_alnum(in.peek()) || is_high(in.peek()) || in.peek() == '-') in.advance();
  const std::string_view label = in.since(start);
  constexpr std::size_t kMaxLabel = 63;
  const bool utf8 = std::any_of(label.begin(), label.end(), is_high);
  return !label.empty() && (utf8 || label.size() <= kMaxLabel) && label.front() != '-' && label.back() != '-';
}

// Domain = sub-domain *("." sub-domain)
Result<std::string> domain(Cursor& in) {
  const std::size_t start = in.position();
  do {
    if (!sub_domain(in)) return malformed("bad domain");
  } while (in.take('.'));
  return std::string(in.since(start));
}

// address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]" ; §4.1.3, General-address-literal
// has no use
Result<std::string> address_literal(Cursor& in) {
  const std::string_view rest = in.rest();
  const std::size_t end = rest.find(']');
  if (end == std::string_view::npos) return malformed("address literal without end");
  const std::string_view inside = rest.substr(1, end - 1);
  std::array<unsigned char, 16> raw{};
  constexpr std::string_view kTag = "IPv6:";
  const bool v6 = iequals(inside.substr(0, kTag.size()), kTag);
  const std::string address(v6 ? inside.substr(kTag.size()) : inside);
  if (address.find('\0') != std::string::npos ||
      inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), raw.data()) != 1) {
    return malformed("bad address literal");
  }
  in.advance(end + 1);
  return std::string(rest.substr(0, end + 1));
}

Result<std::string> host(Cursor& in) { return in.peek() == '[' ? address_literal(in) : domain(in); }

Result<Mailbox> mailbox(Cursor& in) {
  Mailbox box;
  POSTERN_TRY(box.local, local_part(in));
  if (!in.take('@')) return malformed("no domain");
  POSTERN_TRY(box.domain, host(in));
  if (box.local.size() > kMaxLocalPart) return malformed("local part longer than 64 octets");
  if (box.domain.size() > kMaxDomain) return malformed("domain longer than 255 octets");
  return box;
}

// A-d-l = At-domain *( "," At-domain ), then ":"
Result<> source_route(Cursor& in) {
  do {
    if (!in.take('@')) return malformed("bad source route");
    POSTERN_CHECK(domain(in));
  } while (in.take(','));
  if (!in.take(':')) return malformed("bad source route");
  return {};
}

Result<Mailbox> path_inside(Cursor& in) {
  if (in.take('>')) return Mailbox{};
  constexpr std::string_view kPostmaster = "postmaster>";
  if (iequals(in.rest().substr(0, kPostmaster.size()), kPostmaster)) {
    Mailbox box{std::string(in.rest().substr(0, kPostmaster.size() - 1)), {}};
    in.advance(kPostmaster.size());
    return box;
  }
  if (in.peek() == '@') POSTERN_CHECK(source_route(in));
  POSTERN_TRY(Mailbox box, mailbox(in));
  if (!in.take('>'))
    return malformed(in.at_end() ? "path without end" : "a character that no address may hold");
  return box;
}

}  // namespace

std::string Mailbox::unquoted_local() const {
  if (local.empty() || local.front() != '"') return local;
  std::string out;
  for (std::size_t i = 1; i + 1 < local.size(); ++i) {
    if (local[i] == '\\') ++i;
    out += local[i];
  }
  return out;
}

bool Mailbox::has_non_ascii() const {
  return std::any_of(local.begin(), local.end(), is_high) ||
         std::any_of(domain.begin(), domain.end(), is_high);
}

bool Mailbox::fully_qualified() const {
  return !domain.empty() && (domain.front() == '[' || domain.find('.') != std::string::npos);
}

Result<Mailbox> parse_mailbox(std::string_view text) {
  Cursor in(text);
  POSTERN_TRY(Mailbox box, mailbox(in));
  if (!in.at_end()) return malformed("something follows the mailbox");
  if (!valid_utf8(text)) return malformed("invalid UTF-8");
  return box;
}

Result<Mailbox> take_path(std::string_view& rest) {
  Cursor in(rest);
  if (!in.take('<')) return malformed("a path stands in angle brackets");
  POSTERN_TRY(Mailbox box, path_inside(in));
  if (box.text().size() + 2 > kMaxPath) return malformed("path longer than 256 octets");
  if (!valid_utf8(in.since(0))) return malformed("invalid UTF-8");
  rest = in.rest();
  return box;
}

bool valid_host(std::string_view text) {
  Cursor in(text);
  return host(in) && in.at_end() && text.size() <= kMaxDomain;
}

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U; };
    const unsigned first = at(i);
    std::size_t length = 0;
    if (first < 0x80) {
      length = 1;
    } else if (first >= 0xC2 && first <= 0xDF) {
      length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
      if ((first == 0xE0 && at(i + 1) < 0xA0) || (first == 0xED && at(i + 1) > 0x9F)) return false;
      length = 3;
    } else if (first >= 0xF0 && first <= 0xF4) {
      if ((first == 0xF0 && at(i + 1) < 0x90) || (first == 0xF4 && at(i + 1) > 0x8F)) return false;
      length = 4;
    } else {
      return false;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if ((at(i + k) & 0xC0U) != 0x80U) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace postern::smtp
