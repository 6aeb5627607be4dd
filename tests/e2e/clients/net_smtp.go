// One mail through Go's net/smtp: net_smtp PORT IMPLICIT CA USER PASSWORD TO, the message on standard input.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/smtp"
	"os"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	port, implicit, ca, user, password, to := os.Args[1], os.Args[2] == "true", os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	pem, err := os.ReadFile(ca)
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{ServerName: "localhost", RootCAs: roots}
	address := "localhost:" + port
	var client *smtp.Client
	if implicit {
		connection, err := tls.Dial("tcp", address, config)
		must(err)
		client, err = smtp.NewClient(connection, "localhost")
		must(err)
	} else {
		client, err = smtp.Dial(address)
		must(err)
		must(client.StartTLS(config))
	}
	must(client.Auth(smtp.PlainAuth("", user, password, "localhost")))
	must(client.Mail(user))
	must(client.Rcpt(to))
	data, err := client.Data()
	must(err)
	message, err := io.ReadAll(os.Stdin)
	must(err)
	_, err = data.Write(message)
	must(err)
	must(data.Close())
	must(client.Quit())
}
