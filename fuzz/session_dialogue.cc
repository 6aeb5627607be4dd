// Laws: how the network cuts what a client sends never changes what it is answered; every reply is well formed, and its
// enhanced code agrees with its code (RFC 2034 §4); without a login nothing is taken.
#include "submission/testing/conversation.h"

#include "fuzz.h"
#include <string>

using namespace postern::submission;

namespace {

struct Outcome {
  std::string answers;
  std::size_t taken = 0;
  bool logged_in = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// The first octet decides how it is cut and whether TLS is up from the start.
Outcome talk(std::string_view wire, std::size_t piece, Session::Tls tls) {
  Options options;
  options.max_message = postern::Bytes{2000};
  options.max_recipients = 3;
  testing::Conversation server(options, tls);
  Outcome out{server.feed("")};
  for (std::size_t at = 0; at < wire.size() && !server.closed() && !server.wants_tls(); at += piece)
    out.answers += server.feed(wire.substr(at, piece));
  out.taken = server.taken();
  out.logged_in = server.session().account().has_value();
  return out;
}

void check_replies(std::string_view wire) {
  postern::smtp::ReplyParser parser;
  bool complete = true;
  while (!wire.empty()) {
    const std::size_t end = wire.find("\r\n");
    FUZZ_ASSERT(end != std::string_view::npos);
    FUZZ_ASSERT(end <= 512);
    const auto reply = parser.feed(wire.substr(0, end));
    FUZZ_ASSERT(reply);
    complete = reply->has_value();
    if (complete && (*reply)->enhanced.klass != 0)
      FUZZ_ASSERT((*reply)->enhanced.klass == (*reply)->code / 100);
    wire.remove_prefix(end + 2);
  }
  FUZZ_ASSERT(complete);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view wire = postern::fuzz::text(data, size).substr(1);
  const auto tls = (data[0] & 0x80U) != 0 ? Session::Tls::None : Session::Tls::Active;
  const Outcome whole = talk(wire, size, tls);
  check_replies(whole.answers);
  FUZZ_ASSERT(whole.logged_in || whole.taken == 0);
  FUZZ_ASSERT(tls == Session::Tls::Active || !whole.logged_in);
  FUZZ_ASSERT(talk(wire, 1 + data[0] % 7U, tls) == whole);
  return 0;
}
