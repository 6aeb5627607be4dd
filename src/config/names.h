#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

/// The valid name that `name` was most probably meant to be, or "" when none is near.
[[nodiscard]] std::string nearest_name(std::string_view name, const std::vector<std::string>& valid);

}  // namespace postern::config
