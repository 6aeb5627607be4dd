#include "smtp/command.h"

#include "smtp/ascii.h"

#include <array>
#include <charconv>
#include <utility>

namespace postern::smtp {
namespace {

constexpr std::array<std::pair<std::string_view, Verb>, 15> kVerbs{{
    {"EHLO", Verb::Ehlo},
    {"HELO", Verb::Helo},
    {"STARTTLS", Verb::StartTls},
    {"AUTH", Verb::Auth},
    {"MAIL", Verb::Mail},
    {"RCPT", Verb::Rcpt},
    {"DATA", Verb::Data},
    {"RSET", Verb::Rset},
    {"NOOP", Verb::Noop},
    {"QUIT", Verb::Quit},
    {"VRFY", Verb::Vrfy},
    {"EXPN", Verb::Expn},
    {"HELP", Verb::Help},
    {"ETRN", Verb::Etrn},
    {"BDAT", Verb::Bdat},
}};

Error syntax(std::string detail) { return fail(Errc::Malformed, std::move(detail)); }

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Cuts the word at the head of `rest` off; words are parted by spaces.
std::string_view take_word(std::string_view& rest) {
  rest = trim(rest);
  std::size_t end = 0;
  while (end < rest.size() && !is_space(rest[end])) ++end;
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

bool is_keyword(std::string_view text) {
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty() || !alnum(text.front())) return false;
  for (const char c : text) {
    if (!alnum(c) && c != '-') return false;
  }
  return true;
}

// esmtp-param = esmtp-keyword ["=" esmtp-value] ; esmtp-value = 1*(%d33-60 / %d62-126), and UTF-8 (RFC 6531
// §3.3). AUTH= and ENVID values may hold no raw "=" either: their xtext forbids it.
Result<ParamList> parse_params(std::string_view rest) {
  ParamList list;
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    const std::size_t equals = word.find('=');
    const std::string_view keyword = word.substr(0, equals);
    if (!is_keyword(keyword)) return syntax("bad parameter");
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) {
      value = word.substr(equals + 1);
      if (value->empty()) return syntax("parameter without value");
    }
    list.emplace_back(keyword, value);
  }
  return list;
}

/// "FROM:" or "TO:" at the head of `rest`, any case; a space behind the colon is tolerated, as every server
/// does.
bool take_prefix(std::string_view& rest, std::string_view prefix) {
  rest = trim(rest);
  if (!iequals(rest.substr(0, prefix.size()), prefix)) return false;
  rest.remove_prefix(prefix.size());
  rest = trim(rest);
  return true;
}

// Reverse-path = Path / "<>" ; a domain always (RFC 6409 §4.2)
Result<Mailbox> take_reverse_path(std::string_view& rest) {
  POSTERN_TRY(Mailbox path, take_path(rest));
  if (!path.local.empty() && path.domain.empty()) return syntax("no domain in the reverse-path");
  return path;
}

// Forward-path = Path / "<Postmaster>" ; RFC 5321 §4.1.1.3
Result<Mailbox> take_forward_path(std::string_view& rest) {
  POSTERN_TRY(Mailbox path, take_path(rest));
  if (path.local.empty()) return syntax("empty forward-path");
  return path;
}

/// Whether it is the address that breaks the grammar in these arguments of MAIL or RCPT.
bool has_bad_path(Verb verb, std::string_view rest) {
  if (verb == Verb::Mail) return take_prefix(rest, "FROM:") && !take_reverse_path(rest);
  return verb == Verb::Rcpt && take_prefix(rest, "TO:") && !take_forward_path(rest);
}

// "MAIL FROM:" Reverse-path [SP Mail-parameters]
Result<Command> parse_mail(std::string_view rest) {
  if (!take_prefix(rest, "FROM:")) return syntax("MAIL FROM:<address>");
  MailFrom mail;
  POSTERN_TRY(mail.reverse_path, take_reverse_path(rest));
  if (!rest.empty() && !is_space(rest.front())) return syntax("no space behind the path");
  POSTERN_TRY(const ParamList list, parse_params(rest));
  POSTERN_TRY(mail.params, parse_mail_params(list));
  return Command(std::move(mail));
}

// "RCPT TO:" Forward-path [SP Rcpt-parameters]
Result<Command> parse_rcpt(std::string_view rest) {
  if (!take_prefix(rest, "TO:")) return syntax("RCPT TO:<address>");
  RcptTo rcpt;
  POSTERN_TRY(rcpt.forward_path, take_forward_path(rest));
  if (!rest.empty() && !is_space(rest.front())) return syntax("no space behind the path");
  POSTERN_TRY(const ParamList list, parse_params(rest));
  POSTERN_TRY(rcpt.params, parse_rcpt_params(list));
  return Command(std::move(rcpt));
}

/// Clients send all sorts of names, and none may be refused for not being ours to check (RFC 5321 §4.1.4); it
/// is only kept out of the Received field's syntax that it must not break: printable, without spaces or
/// brackets out of place.
Result<std::string> parse_domain(std::string_view rest) {
  const std::string_view word = take_word(rest);
  if (word.empty()) return syntax("a domain is required");
  constexpr std::size_t kMaxName = 255;
  if (word.size() > kMaxName) return syntax("name too long");
  for (const char c : word) {
    if (c <= ' ' || c > '~' || c == '(' || c == ')' || c == '<' || c == '>' || c == ';' || c == '\\' ||
        c == '"') {
      return syntax("not a domain");
    }
  }
  return std::string(word);
}

// "AUTH" SP mechanism [SP initial-response]
Result<Command> parse_auth(std::string_view rest) {
  Auth auth;
  const std::string_view mechanism = take_word(rest);
  if (mechanism.empty()) return syntax("AUTH mechanism");
  auth.mechanism = to_upper(mechanism);
  if (const std::string_view response = take_word(rest); !response.empty()) auth.initial_response = response;
  if (!trim(rest).empty()) return syntax("too many arguments");
  return Command(std::move(auth));
}

// bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF ; chunk-size = 1*DIGIT ; RFC 3030 §2
Result<Command> parse_bdat(std::string_view rest) {
  const std::string_view size = take_word(rest);
  if (size.empty() || size.find_first_not_of("0123456789") != std::string_view::npos)
    return syntax("BDAT size [LAST]");
  Bdat bdat;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), bdat.size);
  if (error == std::errc::result_out_of_range) bdat.size = UINT64_MAX;
  const std::string_view marker = take_word(rest);
  bdat.last = iequals(marker, "LAST");
  if (!trim(rest).empty() || (!marker.empty() && !bdat.last)) return syntax("BDAT size [LAST]");
  return Command(bdat);
}

template <class Type>
Result<Command> without_argument(std::string_view rest) {
  if (!trim(rest).empty()) return syntax("no argument is allowed");  // RFC 5321 §4.1.1
  return Command(Type{});
}

Result<Command> parse_arguments(Verb verb, std::string_view rest) {
  switch (verb) {
    case Verb::Ehlo: {
      POSTERN_TRY(std::string name, parse_domain(rest));
      return Command(Ehlo{std::move(name)});
    }
    case Verb::Helo: {
      POSTERN_TRY(std::string name, parse_domain(rest));
      return Command(Helo{std::move(name)});
    }
    case Verb::StartTls:
      return without_argument<StartTls>(rest);
    case Verb::Auth:
      return parse_auth(rest);
    case Verb::Mail:
      return parse_mail(rest);
    case Verb::Rcpt:
      return parse_rcpt(rest);
    case Verb::Data:
      return without_argument<Data>(rest);
    case Verb::Rset:
      return without_argument<Rset>(rest);
    case Verb::Quit:
      return without_argument<Quit>(rest);
    case Verb::Noop:
      return Command(Noop{});
    case Verb::Help:
      return Command(Help{});
    case Verb::Vrfy:
      if (trim(rest).empty()) return syntax("VRFY needs an argument");
      return Command(Vrfy{std::string(trim(rest))});
    case Verb::Bdat:
      return parse_bdat(rest);
    case Verb::Expn:
    case Verb::Etrn:
      return Command(NotOffered{});
    case Verb::Unknown:
      break;
  }
  return fail(Errc::Denied, "unknown command");
}

}  // namespace

const char* to_string(Verb verb) {
  for (const auto& [name, value] : kVerbs) {
    if (value == verb) return name.data();
  }
  return "unknown";
}

ParsedCommand parse_command(std::string_view line) {
  ParsedCommand parsed;
  std::string_view rest = line;
  const std::string_view word = take_word(rest);
  for (const auto& [name, verb] : kVerbs) {
    if (iequals(word, name)) parsed.verb = verb;
  }
  // RFC 5321 §2.3.8: CR and LF only ever stand together; a line that holds one alone was cut wrongly by
  // somebody.
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    parsed.verb = Verb::Unknown;
    parsed.command = fail(Errc::Denied, "bare CR, LF or NUL in a command");
    return parsed;
  }
  parsed.command = parse_arguments(parsed.verb, rest);
  if (!parsed.command) parsed.bad_path = has_bad_path(parsed.verb, rest);
  return parsed;
}

}  // namespace postern::smtp
