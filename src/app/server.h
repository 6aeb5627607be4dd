#pragma once

#include "base/result.h"
#include "config/config.h"
#include "delivery/lane.h"
#include "net/tls.h"

#include "scan/scanner.h"
#include <memory>
#include <string>
#include <vector>

namespace postern::app {

/// Where a running server's control socket is.
[[nodiscard]] std::string control_path(const config::Config& config);

// From the configuration to what modules take; used at the start and at each reload.
[[nodiscard]] std::vector<net::CertificateFiles> certificate_files(const config::Tls& tls);
[[nodiscard]] intake::Options intake_options(const config::Config& config);
/// Errors: a password or CA file that cannot be used, with its name.
[[nodiscard]] Result<delivery::Settings> delivery_settings(const config::Config& config);

struct Parts;
/// The content scanners that `options` name; nullptr: none. Error: Malformed.
[[nodiscard]] Result<std::shared_ptr<scan::Scanner>> make_scanner(Parts& parts, const scan::Options& options);

/// Runs the server until SIGTERM or SIGINT, then finishes what is in flight. The bound ports are in
/// data_dir/listening.json while it runs. Errors: whatever keeps it from starting, in words for the operator.
/// Threads  call it on the main thread, before any other thread exists.
[[nodiscard]] Result<> serve(const config::Config& config, const std::string& config_path);

}  // namespace postern::app
