#pragma once

#include "net/endpoint.h"

#include <string>

namespace postern::delivery {

/// One address to try, and the host name it stands for.
struct Target {
  std::string host;
  net::Endpoint endpoint;
};

}  // namespace postern::delivery
