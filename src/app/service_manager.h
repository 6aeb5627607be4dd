#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::app {

/// A socket that systemd opened for us (sd_listen_fds(3)); `name` is its FileDescriptorName=.
struct InheritedSocket {
  std::string name;
  int fd = -1;
};

/// The sockets passed in LISTEN_FDS, empty when LISTEN_PID is not us. Marks them close-on-exec and
/// removes the variables, so that no child takes them for its own. Call once, before threads start.
[[nodiscard]] std::vector<InheritedSocket> take_inherited_sockets();

/// Tells the service manager a state (sd_notify(3)), e.g. "READY=1". Does nothing without NOTIFY_SOCKET.
void notify_service_manager(std::string_view state);

/// Lets this process open as many descriptors as the hard limit allows: the soft one (usually 1024) is for
/// programs that use select(2), and would stop a server at a thousand clients.
void raise_descriptor_limit();

/// A reload begins; "READY=1" ends it. Says when, as Type=notify-reload asks.
void notify_reloading();

}  // namespace postern::app
