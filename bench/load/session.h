#pragma once

#include "net/stream.h"
#include "net/tls.h"

#include "load/options.h"
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postern::bench {

/// The text of a message: one piece, sent again and again until the size is reached, so that 50 MB cost no memory.
struct Body {
  explicit Body(std::size_t size);
  std::string piece;
  std::size_t times = 1;
  std::string rest;  ///< what is left, and the final dot
};

/// One client session: TLS without resumption, AUTH PLAIN, mail.
/// Errors   Closed, Timeout; Malformed: a reply that was not expected, with its text.
class Session {
 public:
  Session(net::Loop& loop, const LoadOptions& options, std::shared_ptr<net::TlsClient> tls)
      : loop_(loop), options_(options), tls_(std::move(tls)) {}

  /// From connect to the 235.
  net::Task<Result<>> open();
  /// One message, from MAIL to the final 250. `number` makes its Message-ID its own.
  net::Task<Result<>> send(const Body& body, std::size_t number);
  /// MAIL, RCPT, DATA and nothing of the message yet.
  net::Task<Result<>> begin_data();
  net::Task<Result<>> write(std::string_view data);
  net::Task<> quit();

 private:
  net::Task<Result<>> expect(int code);
  net::Task<Result<>> command(std::string_view line, int code);
  [[nodiscard]] static SteadyTime deadline() {
    return std::chrono::steady_clock::now() + std::chrono::minutes{5};
  }
  [[nodiscard]] std::string envelope_command(std::size_t step) const;

  net::Loop& loop_;
  const LoadOptions& options_;
  std::shared_ptr<net::TlsClient> tls_;
  std::optional<net::Stream> stream_;
};

}  // namespace postern::bench
