#pragma once

#include "net/stream.h"

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

namespace postern::net {

/// A listening socket on one loop.
///
/// Threads  its loop's thread only, except open() and is_free().
/// Limits   when the process is out of descriptors it pauses for a moment and goes on.
class Listener {
 public:
  struct Impl;
  /// Whether open() would be alone at `endpoint`: several sockets of one user may share a port, and each gets some of
  /// the connections. Unavailable: somebody listens there. Port 0 is always free.
  [[nodiscard]] static Result<> is_free(const Endpoint& endpoint);
  /// TCP with SO_REUSEPORT, so that each loop has its own; "[::]" takes IPv4 connections too, any other
  /// IPv6 address only its own. Port 0: the system chooses.
  /// Errors: Denied (no right to the port), Unavailable (in use, no such address).
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(Loop& loop, const Endpoint& endpoint);
  /// A socket that already listens (systemd). Several loops may adopt duplicates of one.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> adopt(Loop& loop, int fd);
  /// A unix socket with permission bits `mode`; a stale file is replaced.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open_unix(Loop& loop, const std::string& path,
                                                                   mode_t mode);

  explicit Listener(std::unique_ptr<Impl> impl);
  ~Listener();

  [[nodiscard]] Endpoint local() const;
  /// Accepts until close(). `on_connection` runs on the loop and must not block.
  void serve(std::function<void(Stream)> on_connection);
  void close();

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace postern::net
