// Laws: a line that holds CR, LF or NUL is no command; what was understood of MAIL and RCPT is understood again, as the
// same, from what we would write for it; handling parameters survive being stored.
#include "smtp/command.h"
#include "smtp/envelope.h"

#include "fuzz.h"
#include <variant>

using namespace postern::smtp;

namespace {

void check_path(const Mailbox& path) {
  std::string text = "<" + path.text() + "> rest";
  std::string_view rest = text;
  const auto again = take_path(rest);
  FUZZ_ASSERT(again && *again == path && rest == " rest");
  FUZZ_ASSERT(path.text().size() + 2 <= kMaxPath);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line = postern::fuzz::text(data, size);
  const ParsedCommand parsed = parse_command(line);
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    FUZZ_ASSERT(!parsed.command);
    return 0;
  }
  if (!parsed.command) return 0;
  FUZZ_ASSERT(parsed.verb != Verb::Unknown);
  if (const auto* mail = std::get_if<MailFrom>(&*parsed.command)) {
    check_path(mail->reverse_path);
    const auto again = parse_handling(to_params(mail->params.handling));
    FUZZ_ASSERT(again && *again == mail->params.handling);
    const auto with = parse_command("MAIL FROM:<> " + to_params(mail->params.handling));
    FUZZ_ASSERT(with.command && std::get<MailFrom>(*with.command).params.handling == mail->params.handling);
  }
  if (const auto* rcpt = std::get_if<RcptTo>(&*parsed.command)) {
    check_path(rcpt->forward_path);
    std::string again = "RCPT TO:<" + rcpt->forward_path.text() + ">";
    if (!rcpt->params.notify.absent()) again += " NOTIFY=" + to_string(rcpt->params.notify);
    if (!rcpt->params.orcpt.empty()) again += " ORCPT=" + rcpt->params.orcpt;
    const ParsedCommand same = parse_command(again);
    FUZZ_ASSERT(same.command && std::get<RcptTo>(*same.command).params == rcpt->params);
  }
  return 0;
}
