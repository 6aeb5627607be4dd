#include "app/server.h"

#include "admin/control_server.h"
#include "admin/http.h"
#include "app/service_manager.h"
#include "app/signals.h"
#include "base/log.h"
#include "delivery/dispatcher.h"
#include "store/file_lock.h"
#include "submission/server.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

namespace postern::app {
namespace {

constexpr std::chrono::seconds kStopTime{20};
constexpr std::chrono::milliseconds kCertificateCheck{5000};

/// One core's share: a loop, its resolver, its listeners and connections.
struct Worker {
  net::Loop loop;
  std::unique_ptr<dns::UnboundResolver> resolver;
  std::unique_ptr<submission::Server> submission;
  std::vector<std::unique_ptr<net::Listener>> admin;
  std::thread thread;
};

/// Everything that runs, declared in the order in which it is built; destruction is the reverse.
class Server {
 public:
  explicit Server(const config::Config& config)
      : config_(config), history_path_(config.data_dir + "/history.db") {}

  Result<> build() {
    POSTERN_CHECK(open_stores());
    POSTERN_CHECK(open_tls());
    intake_.emplace(intake::Services{config_.hostname, config_.intake, clock_, *directory_, *limits_, *queue_,
                                     *history_});
    submission_.emplace(submission::Services{config_.submission, config_.hostname, clock_, tls_, *directory_,
                                             *limits_, *lockout_, *queue_, *intake_});
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < cores; ++i) {
      workers_.push_back(std::make_unique<Worker>());
      POSTERN_TRY(workers_.back()->resolver,
                  dns::UnboundResolver::create(workers_.back()->loop, config_.dns));
      workers_.back()->submission =
          std::make_unique<submission::Server>(workers_.back()->loop, *submission_, count_);
    }
    POSTERN_CHECK(build_delivery());
    POSTERN_CHECK(listen());
    return {};
  }

  void run(Signals& signals) {
    dispatcher_->start();
    for (auto& worker : workers_) worker->thread = std::thread([&loop = worker->loop] { loop.run(); });
    write_listening();
    notify_service_manager("READY=1");
    log::Event(log::Level::Info, "server.ready").with("hostname", config_.hostname);
    for (;;) {
      const Request request = signals.wait(kCertificateCheck);
      if (request == Request::Stop) break;
      if (request == Request::Reload) reload();
      check_certificate();
    }
    stop();
  }

  std::string config_path;

 private:
  Result<> open_stores() {
    std::error_code error;
    std::filesystem::create_directories(config_.data_dir, error);
    if (error) return fail(Errc::Unavailable, config_.data_dir + ": " + error.message());
    POSTERN_TRY(store::FileLock lock, store::FileLock::take(config_.data_dir + "/lock"));
    lock_.emplace(std::move(lock));
    POSTERN_TRY(directory_,
                accounts::Directory::open(config_.data_dir + "/directory.db", config_.accounts, clock_));
    POSTERN_TRY(auto class_limits, config_.class_limits());
    limits_ = std::make_unique<guard::Limits>(std::move(class_limits), clock_);
    lockout_ = std::make_unique<guard::Lockout>(config_.lockout, clock_);
    POSTERN_TRY(history_, queue::History::open(history_path_));
    POSTERN_TRY(queue_, queue::SqliteQueue::open(config_.data_dir + "/queue.db", config_.queue, clock_));
    return {};
  }

  Result<> open_tls() {
    if (config_.tls.certificate.empty()) {
      log::Event(log::Level::Warning, "tls.not_configured")
          .with("effect", "no login and no mail is possible");
      return {};
    }
    std::vector<net::CertificateFiles> files{{config_.tls.certificate, config_.tls.key}};
    for (const config::CertificatePair& more : config_.tls.more)
      files.push_back({more.certificate, more.key});
    POSTERN_TRY(tls_, net::TlsServer::load(std::move(files)));
    return {};
  }

  Result<delivery::Settings> delivery_settings() {
    delivery::Settings settings;
    settings.options = config_.delivery;
    settings.identity.hostname = config_.hostname;
    settings.sandbox_directory = config_.data_dir + "/sandbox";
    if (config_.delivery.mode == delivery::Mode::Smarthost)
      settings.smarthost = config_.smarthosts.at(config_.delivery.smarthost);
    POSTERN_TRY(settings.manners, delivery::make_manners(config_.delivery, settings.smarthost));
    return settings;
  }

  Result<> build_delivery() {
    signer_.emplace([this](std::string_view domain) -> std::optional<delivery::DomainKeyText> {
      const std::optional<accounts::Domain> found = directory_->domain(domain);
      if (!found) return std::nullopt;
      return delivery::DomainKeyText{found->selector, found->key_pem};
    });
    delivery_metrics_.emplace(registry_);
    POSTERN_TRY(delivery::Settings settings, delivery_settings());
    std::vector<delivery::Dispatcher::Place> places;
    for (auto& worker : workers_) places.push_back({worker->loop, *worker->resolver});
    dispatcher_ = std::make_unique<delivery::Dispatcher>(
        std::move(settings),
        delivery::Services{
            *queue_, *history_, *signer_, clock_, *delivery_metrics_,
            [this](net::Loop& loop, std::string recipient, std::string content, bool smtputf8) {
              return intake::enqueue_generated(loop, *intake_, std::move(recipient), report_domain(),
                                               std::move(content), smtputf8);
            }},
        places);
    return {};
  }

  /// Who signs our reports: the host's own domain or the first parent that we have a key for; "" when there
  /// is none.
  std::string report_domain() const {
    for (std::string name = config_.hostname; name.find('.') != std::string::npos;
         name.erase(0, name.find('.') + 1)) {
      if (directory_->domain(name)) return name;
    }
    return {};
  }

  Result<> listen() {
    std::vector<InheritedSocket> inherited = take_inherited_sockets();
    for (const InheritedSocket& socket : inherited) {
      const auto mode =
          socket.name == "submissions" ? submission::Mode::Implicit : submission::Mode::StartTls;
      for (auto& worker : workers_) {
        POSTERN_TRY(auto listener, net::Listener::adopt(worker->loop, ::dup(socket.fd)));
        note(mode == submission::Mode::Implicit ? submissions_ports_ : submission_ports_, *listener);
        worker->submission->add(std::move(listener), mode);
      }
    }
    if (inherited.empty()) {
      POSTERN_CHECK(open_all(config_.listen.submission, submission::Mode::StartTls, submission_ports_));
      POSTERN_CHECK(open_all(config_.listen.submissions, submission::Mode::Implicit, submissions_ports_));
    }
    answers_ = {[this] { return registry_.exposition(); }, [this] { return not_ready_because(); }};
    net::Loop& first = workers_.front()->loop;
    for (const std::string& text : config_.listen.admin) {
      POSTERN_TRY(const net::Endpoint endpoint, net::Endpoint::parse(text));
      POSTERN_TRY(auto listener, net::Listener::open(first, endpoint));
      note(admin_ports_, *listener);
      listener->serve([this, &first](net::Stream stream) {
        first.spawn(admin::serve_http(std::move(stream), answers_, clock_));
      });
      workers_.front()->admin.push_back(std::move(listener));
    }
    POSTERN_TRY(control_,
                admin::ControlServer::open(first, control_path(config_),
                                           {*queue_, *history_, clock_, [this] { dispatcher_->try_now(); }}));
    return {};
  }

  Result<> open_all(const std::vector<std::string>& addresses, submission::Mode mode,
                    std::vector<std::uint16_t>& ports) {
    for (const std::string& text : addresses) {
      POSTERN_TRY(net::Endpoint endpoint, net::Endpoint::parse(text));
      for (auto& worker : workers_) {
        POSTERN_TRY(auto listener, net::Listener::open(worker->loop, endpoint));
        endpoint =
            net::Endpoint{endpoint.ip, listener->local().port};  // port 0: the others share the first one's
        note(ports, *listener);
        worker->submission->add(std::move(listener), mode);
      }
    }
    return {};
  }

  static void note(std::vector<std::uint16_t>& ports, const net::Listener& listener) {
    const std::uint16_t port = listener.local().port;
    if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
  }

  void write_listening() const {
    const auto list = [](const std::vector<std::uint16_t>& ports) {
      std::string out = "[";
      for (const std::uint16_t port : ports) out += (out.size() > 1 ? "," : "") + std::to_string(port);
      return out + "]";
    };
    const std::string path = config_.data_dir + "/listening.json";
    std::ofstream(path + ".new") << "{\"pid\":" << ::getpid() << ",\"submission\":" << list(submission_ports_)
                                 << ",\"submissions\":" << list(submissions_ports_)
                                 << ",\"admin\":" << list(admin_ports_) << "}\n";
    std::error_code ignored;
    std::filesystem::rename(path + ".new", path, ignored);
  }

  std::string not_ready_because() const {
    if (const std::string why = queue_->unavailable_because(); !why.empty())
      return "the queue cannot be written: " + why;
    if (!tls_) return "no certificate is configured";
    if (tls_->expires_at() <= clock_.now()) return "the certificate has expired";
    return {};
  }

  void reload() {
    notify_service_manager("RELOADING=1");
    const Result<config::Config> fresh = config::load(config_path);
    if (!fresh) {
      log::Event(log::Level::Error, "server.reload_refused").with("why", fresh.error().detail);
    } else {
      log::Event(log::Level::Info, "server.reloaded")
          .with("note", "options take effect at the next start; certificates now");
    }
    notify_service_manager("READY=1");
  }

  void check_certificate() {
    if (!tls_) return;
    const Result<bool> changed = tls_->reload_if_changed();
    if (!changed && changed.error().detail != certificate_trouble_) {
      certificate_trouble_ = changed.error().detail;
      log::Event(log::Level::Error, "tls.reload_failed").with("why", certificate_trouble_);
    } else if (changed && *changed) {
      certificate_trouble_.clear();
      log::Event(log::Level::Info, "tls.certificate_reloaded");
    }
  }

  net::Task<> stop_delivery(net::Loop& loop, SteadyTime deadline, std::atomic<bool>& done) {
    co_await dispatcher_->stop(loop, deadline);
    done = true;
  }

  void stop() {
    notify_service_manager("STOPPING=1");
    log::Event(log::Level::Info, "server.stopping");
    const SteadyTime deadline = clock_.steady_now() + kStopTime;
    for (auto& worker : workers_) worker->loop.post([&worker] { worker->submission->stop(); });
    workers_.front()->loop.post([this] { control_->close(); });
    std::atomic<bool> done{false};
    workers_.front()->loop.spawn(stop_delivery(workers_.front()->loop, deadline, done));
    while ((!done || count_.total() > 0) && clock_.steady_now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    for (auto& worker : workers_) worker->loop.stop();
    for (auto& worker : workers_) worker->thread.join();
    for (auto& worker : workers_) worker->loop.abandon_tasks();
    dispatcher_.reset();
    log::Event(log::Level::Info, "server.stopped");
  }

  const config::Config& config_;
  const std::string history_path_;
  SystemClock clock_;
  metrics::Registry registry_;
  // Before the stores: their threads may still post to the loops while they end.
  std::vector<std::unique_ptr<Worker>> workers_;
  std::optional<store::FileLock> lock_;
  std::unique_ptr<accounts::Directory> directory_;
  std::unique_ptr<guard::Limits> limits_;
  std::unique_ptr<guard::Lockout> lockout_;
  std::unique_ptr<queue::History> history_;
  std::shared_ptr<net::TlsServer> tls_;
  std::optional<intake::Services> intake_;
  std::optional<submission::Services> submission_;
  submission::ConnectionCount count_{config_.submission};
  std::optional<delivery::Signer> signer_;
  std::optional<delivery::Metrics> delivery_metrics_;
  admin::HttpAnswers answers_;
  std::unique_ptr<admin::ControlServer> control_;
  std::vector<std::uint16_t> submission_ports_, submissions_ports_, admin_ports_;
  std::string certificate_trouble_;
  std::unique_ptr<queue::SqliteQueue> queue_;
  std::unique_ptr<delivery::Dispatcher> dispatcher_;
};

}  // namespace

std::string control_path(const config::Config& config) { return config.data_dir + "/admin.sock"; }

Result<> serve(const config::Config& config, const std::string& config_path) {
  Signals signals;
  if (config.log.to == config::Log::Destination::Journald) log::set_sink(log::make_journald_sink());
  log::set_level(config.log.level);
  Server server(config);
  server.config_path = config_path;
  POSTERN_CHECK(server.build());
  server.run(signals);
  return {};
}

}  // namespace postern::app
