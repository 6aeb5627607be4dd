#include "mail/address.h"

#include "mail/header.h"

#include <algorithm>

namespace postern::mail {
namespace {

constexpr int kMaxCommentDepth = 16;

bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool is_atext(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || is_high(c)) return true;
  return c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

Error malformed(const char* what) { return fail(Errc::Malformed, what); }

/// A parser over one field value; each function is a rule of RFC 5322 §3.2-3.4 with the obsolete forms of §4.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // address-list = (address *("," address)) / obs-addr-list ; empty elements are obsolete and skipped
  Result<std::vector<Mailbox>> address_list() {
    POSTERN_CHECK(skip_cfws());
    while (at_ < text_.size()) {
      if (take(',')) {
        POSTERN_CHECK(skip_cfws());
        continue;
      }
      POSTERN_CHECK(address());
      if (at_ < text_.size() && peek() != ',') return malformed("a comma is missing between addresses");
    }
    return std::move(found_);
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // CFWS = white space and comments
  Result<> skip_cfws() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '(') {
        if (++depth > kMaxCommentDepth) return malformed("comments nest too deep");
      } else if (depth > 0 && c == ')') {
        --depth;
      } else if (depth > 0 && c == '\\') {
        ++at_;
      } else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
        break;
      }
      ++at_;
    }
    return depth == 0 ? Result<>{} : Result<>(malformed("comment without end"));
  }

  // quoted-string, without its quotes and backslashes
  Result<std::string> quoted_string() {
    std::string out;
    ++at_;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return out;
      if (c == '\\' && at_ < text_.size()) c = text_[at_++];
      if (c != '\r' && c != '\n') out += c;
    }
    return malformed("quoted string without end");
  }

  std::string atom() {
    const std::size_t start = at_;
    while (is_atext(peek())) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  // word *( ("." / CFWS) word ): a phrase, or the local part of an address; dots are kept
  struct Words {
    std::string joined;   // without white space: the local part
    bool spaced = false;  // white space between two words: only a phrase may have that
    bool any = false;
  };
  Result<Words> words() {
    Words out;
    bool after_word = false;
    for (;;) {
      POSTERN_CHECK(skip_cfws());
      if (peek() == '"') {
        POSTERN_TRY(const std::string part, quoted_string());
        out.spaced = out.spaced || after_word;
        out.joined += part;
        after_word = true;
      } else if (is_atext(peek())) {
        out.spaced = out.spaced || after_word;
        out.joined += atom();
        after_word = true;
      } else if (out.any && take('.')) {
        out.joined += '.';
        after_word = false;
      } else {
        return out;
      }
      out.any = true;
    }
  }

  // domain = dot-atom / domain-literal / obs-domain
  Result<std::string> domain() {
    POSTERN_CHECK(skip_cfws());
    std::string out;
    if (peek() == '[') {
      const std::size_t end = text_.find(']', at_);
      if (end == std::string_view::npos) return malformed("domain literal without end");
      out = text_.substr(at_, end + 1 - at_);
      at_ = end + 1;
      POSTERN_CHECK(skip_cfws());
      return out;
    }
    for (;;) {
      const std::string label = atom();
      if (label.empty()) return malformed("bad domain");
      out += label;
      POSTERN_CHECK(skip_cfws());
      if (!take('.')) return out;
      out += '.';
      POSTERN_CHECK(skip_cfws());
    }
  }

  // angle-addr = "<" [obs-route] addr-spec ">"
  Result<> angle_addr() {
    POSTERN_CHECK(skip_cfws());
    if (peek() == '@') {
      const std::size_t colon = text_.find(':', at_);
      if (colon == std::string_view::npos) return malformed("bad route");
      at_ = colon + 1;
    }
    POSTERN_TRY(const Words local, words());
    if (!take('@')) return malformed("no @ in the address");
    POSTERN_CHECK(add(local));
    if (!take('>')) return malformed("no > behind the address");
    return skip_cfws();
  }

  Result<> add(const Words& local) {
    if (!local.any || local.spaced || local.joined.empty()) return malformed("bad local part");
    POSTERN_TRY(std::string host, domain());
    found_.push_back({local.joined, std::move(host)});
    return {};
  }

  // address = mailbox / group
  Result<> address() {
    POSTERN_TRY(const Words start, words());
    if (take('<')) return angle_addr();
    if (take('@')) return add(start);
    if (start.any && !in_group_ && take(':')) return group();
    return malformed("not an address");
  }

  // group = display-name ":" [group-list] ";"
  Result<> group() {
    in_group_ = true;
    POSTERN_CHECK(skip_cfws());
    while (!take(';')) {
      if (at_ >= text_.size()) return malformed("group without end");
      if (take(',')) {
        POSTERN_CHECK(skip_cfws());
        continue;
      }
      POSTERN_CHECK(address());
      if (peek() != ',' && peek() != ';') return malformed("a comma is missing between addresses");
    }
    in_group_ = false;
    return skip_cfws();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool in_group_ = false;
  std::vector<Mailbox> found_;
};

}  // namespace

std::string Mailbox::text() const {
  const bool dot_atom =
      !local.empty() && local.front() != '.' && local.back() != '.' &&
      local.find("..") == std::string::npos &&
      std::all_of(local.begin(), local.end(), [](char c) { return c == '.' || is_atext(c); });
  if (dot_atom) return local + "@" + domain;
  std::string quoted = "\"";
  for (const char c : local) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"@" + domain;
}

bool operator==(const Mailbox& a, const Mailbox& b) {
  return a.local == b.local && same_name(a.domain, b.domain);
}

Result<std::vector<Mailbox>> parse_address_list(std::string_view value) {
  return Parser(value).address_list();
}

}  // namespace postern::mail
