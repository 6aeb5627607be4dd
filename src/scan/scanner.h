#pragma once

#include "net/http_client.h"

#include "scan/message.h"
#include "scan/metrics.h"
#include "scan/milter.h"
#include "scan/options.h"
#include "scan/turns.h"
#include "scan/verdict.h"
#include <memory>
#include <string>
#include <vector>

namespace postern::scan {

/// All content scanners that are configured.
///
/// Threads  scan() from any loop.
/// Limits   options.max_concurrent messages with one scanner at once; a message waits for its turn no longer than
///          for the scanner. Bodies as Spool says.
/// Errors   none leave it: a scanner that fails is logged, and the message is deferred or goes on, as configured.
class Scanner {
 public:
  /// `metrics` and `lookup` are borrowed. Error: Malformed, an address that is none, naming the option.
  [[nodiscard]] static Result<std::unique_ptr<Scanner>> create(const Options& options,
                                                               std::string spool_directory, Metrics& metrics,
                                                               net::AddressLookup& lookup);

  /// Where the body of the next message is to be kept for scan().
  [[nodiscard]] std::unique_ptr<Spool> spool() const;

  /// What they say together: the first that does not accept decides and ends it; else all their changes, in their
  /// order, and the highest score. `message` is borrowed until the task ends.
  net::Task<Verdict> scan(net::Loop& loop, const Message& message);

 private:
  /// One scanner: a filter, or rspamd where `milter` is empty.
  struct Check {
    std::string name;
    std::optional<MilterAddress> milter;
    explicit Check(std::uint32_t at_once) : turns(at_once) {}
    std::chrono::seconds timeout{};
    OnFailure on_failure = OnFailure::Defer;
    Turns turns;
  };

  Scanner(const Options& options, std::string spool_directory, Metrics& metrics)
      : options_(options), spool_directory_(std::move(spool_directory)), metrics_(metrics) {}
  void add(std::string name, std::optional<MilterAddress> milter, std::chrono::seconds timeout,
           OnFailure failure);
  net::Task<Result<Verdict>> ask(net::Loop& loop, Check& check, const Message& message, SteadyTime deadline);
  [[nodiscard]] Verdict settled(const Check& check, const Message& message, Result<Verdict> said,
                                std::chrono::nanoseconds time);

  const Options options_;
  const std::string spool_directory_;
  Metrics& metrics_;
  std::unique_ptr<net::HttpClient> http_;
  std::vector<std::unique_ptr<Check>> checks_;
};

}  // namespace postern::scan
