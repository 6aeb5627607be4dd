#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "mail/header.h"

#include <string>

namespace postern::intake {

/// Adds Date at the end when it is absent; replaces one with bad syntax in its place (RFC 6409 §8.2).
void fix_date(mail::Header& header, TimePoint now);
/// The same for Message-ID (RFC 6409 §8.3).
void fix_message_id(mail::Header& header, QueueId id, const std::string& hostname);
/// Says who sends when that is not who the message is from (RFC 6409 §8.1): Sender becomes `account`, unless that is
/// the one address in From.
void set_sender(mail::Header& header, const std::string& account);
/// Removes Bcc and Resent-Bcc: who gets a blind copy is nobody's business (RFC 5321 §7.2).
void remove_blind_copies(mail::Header& header);
/// Removes Return-Path, which is the final server's to add (RFC 5321 §4.4), and Authentication-Results that
/// claim to be ours (RFC 8601 §5).
void remove_private_fields(mail::Header& header, const std::string& hostname);

}  // namespace postern::intake
