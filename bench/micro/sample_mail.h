#pragma once

#include <string>

namespace postern::bench {

/// The header section of an ordinary mail as it leaves intake, with the empty line.
inline std::string sample_header() {
  return "Received: from client.example ([IPv6:2001:db8::1])\r\n"
         "\tby mail.example.org with ESMTPSA id 01hq3v8k2n7d\r\n"
         "\t(TLS_AES_256_GCM_SHA384 X25519); Tue, 3 Mar 2026 09:30:00 +0000\r\n"
         "Message-ID: <20260303093000.4711@client.example>\r\n"
         "Date: Tue, 3 Mar 2026 09:30:00 +0000\r\n"
         "From: Alice Example <alice@example.org>\r\n"
         "To: Bob <bob@example.net>, \"Carol, C.\" <carol@example.net>\r\n"
         "Subject: Minutes of the meeting\r\n"
         "MIME-Version: 1.0\r\n"
         "Content-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n"
         "\r\n";
}

/// About `size` octets of text in lines of 72.
inline std::string sample_body(std::size_t size) {
  const std::string line = "The quick brown fox jumps over the lazy dog, and the dog does not mind.\r\n";
  std::string body;
  while (body.size() < size) body += line;
  return body;
}

}  // namespace postern::bench
