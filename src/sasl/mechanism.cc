#include "sasl/mechanism.h"

#include "sasl/login.h"
#include "sasl/plain.h"

namespace postern::sasl {

std::unique_ptr<Mechanism> make_mechanism(std::string_view name) {
  if (name == "PLAIN") return std::make_unique<Plain>();
  if (name == "LOGIN") return std::make_unique<Login>();
  return nullptr;
}

std::string_view mechanism_names() { return "PLAIN LOGIN"; }

}  // namespace postern::sasl
