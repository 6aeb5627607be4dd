#include "scan/milter.h"

#include "net/stream.h"

#include <fmt/format.h>

#include "scan/milter_packet.h"
#include <vector>

namespace postern::scan {
namespace {

using milter::Packet;
using milter::texts;
using milter::wire;

constexpr std::size_t kBodyPiece = 65535;  // MILTER_CHUNK_SIZE
constexpr std::size_t kMaxEdits = 200;
constexpr std::size_t kMaxEditOctets = std::size_t{256} * 1024;

/// One packet of the conversation and how the filter wants it.
struct Step {
  char command;
  std::string data;
  std::uint32_t skip = 0;   ///< the Protocol flag that leaves it out
  std::uint32_t quiet = 0;  ///< the flag that there is no answer to it
  std::string about = {};   ///< put before the reason when the filter refuses here
};

std::string macros(char for_command, std::initializer_list<std::string_view> names_and_values) {
  return wire('D', std::string(1, for_command) + texts(names_and_values));
}

std::string connect_data(const Message& m) {
  const std::string ip = m.client.text();
  return texts({'[' + ip + ']'}) + (m.client.is_v6() ? '6' : '4') + std::string(2, '\0') + texts({ip});
}

/// As Sendmail shows it: without CR, and without the space behind the colon unless the filter wants it.
std::string header_data(const mail::HeaderField& field, bool leading_space) {
  std::string_view body = std::string_view(field.raw).substr(field.name_length);
  body.remove_prefix(body.find(':') + 1);
  if (!leading_space && body.starts_with(' ')) body.remove_prefix(1);
  std::string value;
  for (const char c : body) {
    if (c != '\r') value += c;
  }
  if (value.ends_with('\n')) value.pop_back();
  return texts({field.name(), value});
}

std::vector<Step> envelope_steps(const Message& m) {
  std::vector<Step> steps;
  const std::string client = m.client.text();
  steps.push_back({'D', std::string("C") + texts({"j", m.hostname, "{daemon_name}", "postern", "v", "Postern",
                                                  "_", '[' + client + ']', "{client_addr}", client})});
  steps.push_back({'C', connect_data(m), milter::kNoConnect, milter::kQuietConnect});
  steps.push_back({'D', std::string("H") + texts({"{cipher}", m.tls_cipher})});
  steps.push_back({'H', texts({m.helo}), milter::kNoHelo, milter::kQuietHelo});
  steps.push_back({'D', std::string("M") + texts({"i", m.queue_id, "{auth_authen}", m.account, "{mail_addr}",
                                                  m.reverse_path})});
  steps.push_back({'M', texts({'<' + m.reverse_path + '>'}), milter::kNoMail, milter::kQuietMail});
  for (const std::string& recipient : m.recipients) {
    steps.push_back({'D', std::string("R") + texts({"{rcpt_addr}", recipient})});
    steps.push_back(
        {'R', texts({'<' + recipient + '>'}), milter::kNoRcpt, milter::kQuietRcpt, '<' + recipient + ">: "});
  }
  steps.push_back({'T', "", milter::kNoData, milter::kQuietData});
  return steps;
}

std::vector<Step> header_steps(const Message& m, std::uint32_t protocol) {
  std::vector<Step> steps;
  for (const mail::HeaderField& field : m.header.fields()) {
    steps.push_back({'L', header_data(field, (protocol & milter::kLeadingSpace) != 0), milter::kNoHeaders,
                     milter::kQuietHeader});
  }
  steps.push_back({'N', "", milter::kNoEndOfHeaders, milter::kQuietEndOfHeaders});
  return steps;
}

/// The conversation about one message.
class Conversation {
 public:
  Conversation(net::Stream stream, const Message& message, SteadyTime deadline)
      : stream_(std::move(stream)), message_(message), deadline_(deadline) {}

  net::Task<Result<Verdict>> run() {
    POSTERN_CO_CHECK(co_await negotiate());
    Result<std::optional<Verdict>> early = co_await take_steps(envelope_steps(message_));
    if (early && !*early) early = co_await take_steps(header_steps(message_, protocol_));
    if (early && !*early) early = co_await send_body();
    if (!early) co_return early.error();
    Verdict verdict;
    if (*early) {
      verdict = **std::move(early);
    } else {
      Result<Verdict> last = co_await end_of_message();
      if (!last) co_return last.error();
      verdict = *std::move(last);
    }
    // The verdict is in: that the filter may not hear our goodbye changes nothing.
    const Result<> goodbye = co_await stream_.write(wire('Q', ""), deadline_);
    static_cast<void>(goodbye);
    co_return verdict;
  }

 private:
  net::Task<Result<>> negotiate() {
    const std::string offer = wire('O', milter::number(milter::kVersion) + milter::number(milter::kActions) +
                                            milter::number(milter::kAllProtocol));
    POSTERN_CO_CHECK(co_await stream_.write(offer, deadline_));
    Result<Packet> answer = co_await read();
    if (!answer) co_return answer.error();
    POSTERN_CO_TRY(protocol_, milter::read_negotiation(*answer));
    co_return Result<>{};
  }

  net::Task<Result<Packet>> read() {
    for (;;) {
      Result<std::optional<Packet>> packet = milter::take_packet(buffer_);
      if (!packet) co_return packet.error();
      if (*packet) {
        if ((*packet)->command != 'p') co_return **std::move(packet);
        continue;  // "still at work": the deadline stays what it is
      }
      const Result<std::string_view> more = co_await stream_.read_some(deadline_);
      if (!more) co_return more.error();
      buffer_ += *more;
      stream_.consume(more->size());
    }
  }

  /// A verdict when the filter has made up its mind, nothing when it wants to see more.
  net::Task<Result<std::optional<Verdict>>> answer(std::string about, bool may_skip) {
    Result<Packet> packet = co_await read();
    if (!packet) co_return packet.error();
    if (packet->command == 'c') co_return std::optional<Verdict>();
    if (packet->command == 's' && may_skip) {
      seen_enough_ = true;
      co_return std::optional<Verdict>();
    }
    Result<std::optional<Verdict>> verdict = milter::read_decision(*packet);
    if (!verdict) co_return verdict.error();
    if (!*verdict) co_return unexpected(*packet);
    // At a recipient "accept" is meant for this recipient; elsewhere for the message.
    if ((*verdict)->decision == Verdict::Decision::Accept && !about.empty())
      co_return std::optional<Verdict>();
    if (!about.empty()) (*verdict)->text = about + (*verdict)->text;
    co_return verdict;
  }

  static Error unexpected(const Packet& packet) {
    return fail(Errc::Malformed, fmt::format("an answer that has no place here: {:#04x}",
                                             static_cast<unsigned char>(packet.command)));
  }

  net::Task<Result<std::optional<Verdict>>> take_steps(std::vector<Step> steps) {
    for (const Step& step : steps) {
      if ((protocol_ & step.skip) != 0) continue;
      const std::string octets = wire(step.command, step.data);
      if (step.command == 'D' || (protocol_ & step.quiet) != 0) {
        stream_.queue(octets);  // goes out with the next write; flushed early when there is much
        queued_ += octets.size();
        if (queued_ > kBodyPiece) POSTERN_CO_CHECK(co_await flush());
        continue;
      }
      queued_ = 0;
      POSTERN_CO_CHECK(co_await stream_.write(octets, deadline_));
      Result<std::optional<Verdict>> verdict = co_await answer(step.about, false);
      if (!verdict || *verdict) co_return verdict;
    }
    co_return std::optional<Verdict>();
  }

  net::Task<Result<>> flush() {
    queued_ = 0;
    const Result<> sent = co_await stream_.flush(deadline_);
    co_return sent;
  }

  net::Task<Result<std::optional<Verdict>>> send_body() {
    if ((protocol_ & milter::kNoBody) != 0) co_return std::optional<Verdict>();
    std::uint64_t at = 0;
    while (at < message_.body.size() && !seen_enough_) {
      const Result<std::string> piece = message_.body.read(at, kBodyPiece);
      if (!piece) co_return piece.error();
      at += piece->size();
      const std::string octets = wire('B', *piece);
      POSTERN_CO_CHECK(co_await stream_.write(octets, deadline_));
      if ((protocol_ & milter::kQuietBody) != 0) continue;
      Result<std::optional<Verdict>> verdict = co_await answer("", true);
      if (!verdict || *verdict) co_return verdict;
    }
    co_return std::optional<Verdict>();
  }

  net::Task<Result<Verdict>> end_of_message() {
    const std::string octets = macros('E', {"i", message_.queue_id}) + wire('E', "");
    POSTERN_CO_CHECK(co_await stream_.write(octets, deadline_));
    std::vector<Edit> edits;
    std::size_t total = 0;
    for (;;) {
      Result<Packet> packet = co_await read();
      if (!packet) co_return packet.error();
      Result<std::optional<Edit>> edit = milter::read_edit(*packet);
      if (!edit) co_return edit.error();
      if (*edit) {
        total += (*edit)->name.size() + (*edit)->value.size();
        edits.push_back(**std::move(edit));
        if (edits.size() > kMaxEdits || total > kMaxEditOctets)
          co_return fail(Errc::Exhausted, "more changes of the header than we take");
        continue;
      }
      if (const std::string_view what = milter::forbidden(*packet); !what.empty())
        co_return fail(Errc::Denied, fmt::format("wants to {}, which no filter may do here", what));
      Verdict verdict;
      if (packet->command != 'c') {
        Result<std::optional<Verdict>> decided = milter::read_decision(*packet);
        if (!decided) co_return decided.error();
        if (!*decided) co_return unexpected(*packet);
        verdict = **std::move(decided);
      }
      verdict.edits = std::move(edits);
      co_return verdict;
    }
  }

  net::Stream stream_;
  const Message& message_;
  const SteadyTime deadline_;
  std::string buffer_;
  std::uint32_t protocol_ = 0;
  std::size_t queued_ = 0;
  bool seen_enough_ = false;
};

net::Task<Result<net::Stream>> connect_to(net::Loop& loop, const MilterAddress& address,
                                          SteadyTime deadline) {
  if (!address.unix_path.empty()) {
    Result<net::Stream> stream = co_await net::connect_unix(loop, address.unix_path);
    co_return stream;
  }
  Result<net::Stream> stream = co_await net::connect(loop, address.tcp, std::nullopt, deadline);
  co_return stream;
}

}  // namespace

Result<MilterAddress> MilterAddress::parse(std::string_view text) {
  MilterAddress address;
  address.text = text;
  if (text.starts_with("unix:")) {
    address.unix_path = text.substr(5);
    if (!address.unix_path.starts_with('/'))
      return fail(Errc::Malformed, address.text + ": not an absolute path");
    return address;
  }
  Result<net::Endpoint> tcp = net::Endpoint::parse(text);
  if (!tcp || tcp->port == 0) {
    return fail(
        Errc::Malformed,
        address.text + ": a filter is \"unix:/path\" or an address and port such as \"127.0.0.1:8891\"");
  }
  address.tcp = *tcp;
  return address;
}

net::Task<Result<Verdict>> ask_milter(net::Loop& loop, const MilterAddress& address, const Message& message,
                                      SteadyTime deadline) {
  Result<net::Stream> stream = co_await connect_to(loop, address, deadline);
  if (!stream) co_return stream.error();
  Conversation conversation(*std::move(stream), message, deadline);
  Result<Verdict> verdict = co_await conversation.run();
  co_return verdict;
}

}  // namespace postern::scan
