#include "submission/testing/conversation.h"

#include "intake/checks.h"
#include "intake/pipeline.h"
#include "submission/replies.h"

namespace postern::submission::testing {

Conversation::Conversation(const Options& options, Session::Tls tls)
    : options_(options), session_(options_, "mail.example.org", policy_, clock_, tls, true) {
  follow(session_.greeting());
}

void Conversation::tls_up() {
  session_.tls_started();
  next_ = Next::Read;
}

std::string Conversation::feed(std::string_view wire) {
  in_ += wire;
  while (advance()) {
  }
  if (wants_tls() || closed()) in_.clear();
  return std::exchange(out_, {});
}

void Conversation::follow(Step step) {
  if (step.reply.code != 0) out_ += step.reply.wire();
  next_ = step.next;
  if (!session_.between_chunks()) reader_.reset();
}

bool Conversation::advance() {
  switch (next_) {
    case Next::Read:
    case Next::ReadResponse:
      return take_line();
    case Next::CheckLogin:
      check_login();
      return true;
    case Next::ReceiveData:
    case Next::ReceiveChunk:
      return take_content();
    case Next::DropChunk:
      return drop_chunk();
    case Next::StartTls:
    case Next::Close:
      return false;
  }
  return false;
}

// As net::Stream::read_line(): only CRLF ends a line, and of one that is too long nothing is kept.
bool Conversation::take_line() {
  const bool response = next_ == Next::ReadResponse;
  const std::size_t most = response ? Session::kMaxResponse : Session::kMaxLine;
  const std::size_t end = in_.find("\r\n");
  if (end == std::string::npos) {
    if (in_.size() > most + 1) {
      skipping_line_ = true;
      in_.erase(0, in_.size() - 1);  // which may be the CR of the line's end
    }
    return false;
  }
  const std::string line = in_.substr(0, end);
  in_.erase(0, end + 2);
  if (std::exchange(skipping_line_, false) || line.size() > most) {
    follow(response ? session_.on_response_too_long() : session_.on_line_too_long());
  } else {
    follow(response ? session_.on_response(line) : session_.on_line(line));
  }
  return true;
}

void Conversation::check_login() {
  const auto* claim = std::get_if<sasl::PasswordClaim>(&session_.claim());
  if (claim != nullptr && claim->authcid == "alice@example.org" && claim->password == "correct horse") {
    follow(session_.logged_in({AccountId{1}, "alice@example.org", accounts::AccountClass::Person, false, 0}));
  } else {
    follow(session_.login_refused(replies::bad_credentials()));
  }
}

bool Conversation::take_content() {
  const bool chunk = next_ == Next::ReceiveChunk;
  if (!reader_) {
    content_.clear();
    reader_ = session_.make_reader(next_);
  }
  if (chunk && !std::exchange(in_chunk_, true)) reader_->begin_chunk(session_.chunk().size);
  in_.erase(0, reader_->feed(in_, content_));
  if (!reader_->finished()) return false;
  in_chunk_ = false;
  const bool complete = !chunk || session_.chunk().last;
  std::optional<smtp::Reply> refusal = reader_->refusal(complete);
  if (complete && !refusal) refusal = check_content();
  if (complete || refusal) {
    session_.data_done();
    if (!refusal) ++taken_;
    follow(refusal ? session_.after(*std::move(refusal)) : Step{{250, {2, 0, 0}, {"Ok: queued as TEST"}}});
  } else {
    session_.chunk_done();
    follow({replies::chunk_ok(session_.chunk().size), Next::Read});
  }
  return true;
}

/// What intake looks at without asking anybody.
std::optional<smtp::Reply> Conversation::check_content() const {
  const std::size_t end = content_.starts_with("\r\n") ? 0 : content_.find("\r\n\r\n");
  const std::size_t size = end == std::string::npos ? content_.size() : end == 0 ? 0 : end + 2;
  const Result<mail::Header> header = mail::Header::parse(std::string_view(content_).substr(0, size));
  if (!header) return replies::refused({intake::Refusal::Why::BadContent, header.error().detail});
  std::optional<intake::Refusal> refusal = intake::check_field_counts(*header);
  if (!refusal) refusal = intake::check_hops(*header, intake::Options{}.max_hops);
  return refusal ? std::optional(replies::refused(*refusal)) : std::nullopt;
}

bool Conversation::drop_chunk() {
  if (!dropping_) dropping_.emplace(session_.chunk().size);
  in_.erase(0, dropping_->take(in_).size());
  if (!dropping_->finished()) return false;
  dropping_.reset();
  follow({{}, Next::Read});
  return true;
}

}  // namespace postern::submission::testing
