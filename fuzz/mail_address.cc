// Law: a mailbox that was understood is understood again, as the same, from what we would write for it.
#include "mail/address.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto found = postern::mail::parse_address_list(postern::fuzz::text(data, size));
  if (!found) return 0;
  for (const postern::mail::Mailbox& mailbox : *found) {
    const auto again = postern::mail::parse_address_list(mailbox.text());
    FUZZ_ASSERT(again && again->size() == 1);
    FUZZ_ASSERT(again->front() == mailbox);
  }
  return 0;
}
