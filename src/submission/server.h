#pragma once

#include "net/listener.h"
#include "smtp/reply.h"
#include "submission/connection.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace postern::submission {

/// How many connections there are, in all and per network; shared by all loops. Thread-safe.
class ConnectionCount {
 public:
  explicit ConnectionCount(const Live<Options>& options) : options_(options) {}
  enum class Verdict { Welcome, TooMany, TooManyFromNetwork };
  [[nodiscard]] Verdict enter(const net::IpAddress& client);
  void leave(const net::IpAddress& client);
  [[nodiscard]] std::size_t total() const;

 private:
  const Live<Options>& options_;
  mutable std::mutex mutex_;
  std::size_t total_ = 0;
  std::unordered_map<net::IpAddress, std::size_t> by_network_;
};

/// The listeners and connections of one loop.
/// Threads  its loop's, except that it is made and destroyed while the loop does not run.
class Server {
 public:
  Server(net::Loop& loop, const Services& services, ConnectionCount& count)
      : loop_(loop), services_(services), count_(count) {}

  /// `tls` nullptr: no certificate; then no mail is taken.
  void add(std::unique_ptr<net::Listener> listener, Mode mode, std::shared_ptr<net::TlsServer> tls);
  /// Stops listening; connections that wait for a command get 421 and end, transactions under way finish
  /// first.
  void stop();
  /// Ends the sessions of an account in the same way; they may begin anew.
  void end_sessions(const std::string& account);

 private:
  void welcome(net::Stream stream, Mode mode, const std::shared_ptr<net::TlsServer>& tls);
  /// Who is really there, then welcome().
  net::Task<> ask_proxy(net::Stream stream, Mode mode, std::shared_ptr<net::TlsServer> tls);
  net::Task<> serve(std::unique_ptr<Client> client, Mode mode);
  net::Task<> turn_away(net::Stream stream, smtp::Reply reply, Mode mode);

  net::Loop& loop_;
  const Services& services_;
  ConnectionCount& count_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::unordered_set<Client*> live_;
  bool stopping_ = false;
};

}  // namespace postern::submission
