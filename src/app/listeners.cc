#include "app/listeners.h"

#include "app/limits_report.h"
#include "app/pace_report.h"
#include "app/server.h"
#include "app/service_manager.h"
#include "app/watching.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace postern::app {
namespace {

void note(std::vector<std::uint16_t>& ports, const net::Listener& listener) {
  const std::uint16_t port = listener.local().port;
  if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
}

std::vector<std::uint16_t>& ports_for(Ports& ports, submission::Mode mode) {
  return mode == submission::Mode::Implicit ? ports.submissions : ports.submission;
}

/// What an inherited socket is for: its name (FileDescriptorName=) says it, or else its port. systemd's default name is
/// that of the socket unit.
submission::Mode mode_of(const std::string& name, std::uint16_t port) {
  constexpr std::uint16_t kSubmissions = 465;  // RFC 8314 §3.3
  const bool implicit = name == "submissions" || (name != "submission" && port == kSubmissions);
  return implicit ? submission::Mode::Implicit : submission::Mode::StartTls;
}

/// What a listener called `name` in the configuration speaks TLS with.
const std::shared_ptr<net::TlsServer>& tls_for(const Parts& parts, const std::string& name) {
  const std::vector<std::string>& asking = parts.config.listen.client_certificates;
  const bool asks = std::find(asking.begin(), asking.end(), name) != asking.end();
  return asks ? parts.tls_with_client_certificates : parts.tls;
}

Result<> adopt(Parts& parts, const InheritedSocket& socket) {
  for (auto& worker : parts.workers) {
    POSTERN_TRY(auto listener, net::Listener::adopt(worker->loop, ::dup(socket.fd)));
    const submission::Mode mode = mode_of(socket.name, listener->local().port);
    note(ports_for(parts.ports, mode), *listener);
    worker->submission->add(std::move(listener), mode, tls_for(parts, socket.name));
  }
  return {};
}

/// Before anything is opened: our own listeners share their ports among the loops.
Result<> check_free(const std::vector<std::string>& addresses) {
  for (const std::string& text : addresses) {
    POSTERN_TRY(const net::Endpoint endpoint, net::Endpoint::parse(text));
    if (const Result<> free = net::Listener::is_free(endpoint); !free)
      return Error{free.error().code, "cannot listen: " + free.error().detail};
  }
  return {};
}

Result<> open_all(Parts& parts, const std::vector<std::string>& addresses, submission::Mode mode) {
  for (const std::string& text : addresses) {
    POSTERN_TRY(net::Endpoint endpoint, net::Endpoint::parse(text));
    for (auto& worker : parts.workers) {
      POSTERN_TRY(auto listener, net::Listener::open(worker->loop, endpoint));
      endpoint = net::Endpoint{endpoint.ip, listener->local().port};  // port 0: the others share the first's
      note(ports_for(parts.ports, mode), *listener);
      worker->submission->add(std::move(listener), mode, tls_for(parts, text));
    }
  }
  return {};
}

/// /metrics and its like run on the first loop only.
Result<> open_admin(Parts& parts) {
  Worker& worker = *parts.workers.front();
  for (const std::string& text : parts.config.listen.admin) {
    POSTERN_TRY(const net::Endpoint endpoint, net::Endpoint::parse(text));
    POSTERN_TRY(auto listener, net::Listener::open(worker.loop, endpoint));
    note(parts.ports.admin, *listener);
    listener->serve([&parts, &loop = worker.loop](net::Stream stream) {
      loop.spawn(admin::serve_http(std::move(stream), parts.answers, parts.clock));
    });
    worker.admin.push_back(std::move(listener));
  }
  return {};
}

}  // namespace

Result<> open_listeners(Parts& parts) {
  const std::vector<InheritedSocket> inherited = take_inherited_sockets();
  for (const InheritedSocket& socket : inherited) POSTERN_CHECK(adopt(parts, socket));
  if (inherited.empty()) {
    POSTERN_CHECK(check_free(parts.config.listen.submission));
    POSTERN_CHECK(check_free(parts.config.listen.submissions));
  }
  POSTERN_CHECK(check_free(parts.config.listen.admin));
  if (inherited.empty()) {
    POSTERN_CHECK(open_all(parts, parts.config.listen.submission, submission::Mode::StartTls));
    POSTERN_CHECK(open_all(parts, parts.config.listen.submissions, submission::Mode::Implicit));
  }
  POSTERN_CHECK(open_admin(parts));
  POSTERN_TRY(parts.control,
              admin::ControlServer::open(parts.workers.front()->loop, control_path(parts.config),
                                         {*parts.queue, *parts.history, parts.clock,
                                          [&parts] { parts.dispatcher->try_now(); }, parts.watch.get(),
                                          [&parts](const std::string& account, const std::string& kind) {
                                            hold_ended(parts, account, kind);
                                          },
                                          [&parts](const std::string& account) {
                                            return limits_report(*parts.directory, *parts.limits, account);
                                          },
                                          [&parts](const std::string& budget) {
                                            return pace_report(*parts.dispatcher, parts.clock, budget);
                                          }}));
  return {};
}

void write_listening(const Parts& parts) {
  const auto list = [](const std::vector<std::uint16_t>& ports) {
    std::string out = "[";
    for (const std::uint16_t port : ports) out += (out.size() > 1 ? "," : "") + std::to_string(port);
    return out + "]";
  };
  const std::string path = parts.config.data_dir + "/listening.json";
  std::ofstream(path + ".new") << "{\"pid\":" << ::getpid()
                               << ",\"submission\":" << list(parts.ports.submission)
                               << ",\"submissions\":" << list(parts.ports.submissions)
                               << ",\"admin\":" << list(parts.ports.admin) << "}\n";
  std::error_code ignored;
  std::filesystem::rename(path + ".new", path, ignored);
}

}  // namespace postern::app
