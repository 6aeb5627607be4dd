#pragma once

#include <string>
#include <utility>

namespace postern::intake {

/// Why a message is not taken.
struct Refusal {
  enum class Why {
    BadContent,        ///< breaks the message format: 554 5.6.0
    TooManyHops,       ///< a loop: 554 5.4.6
    HeaderTooLarge,    ///< 552 5.3.4
    NotYourFrom,       ///< the account may not use an address in the header: 550 5.7.1
    NoSigningKey,      ///< we do not sign for the domain, and nothing leaves unsigned: 550 5.7.1
    OverLimit,         ///< 450 4.7.1
    OverLimitForGood,  ///< 550 5.7.1
    Held,              ///< the watch holds the account: 450 4.7.1
    StoreDown,         ///< 452 4.3.1: try again later
    Unwanted,          ///< a content scanner refuses it: 550 5.7.1
    NotScanned,        ///< a content scanner says later, or does not answer: 451 4.7.1
    Suspended,         ///< suspended, removed or given a new password meanwhile: 550 5.7.1
  };
  Why why;
  std::string detail;
};

}  // namespace postern::intake
