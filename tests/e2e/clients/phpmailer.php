<?php
// One mail through PHPMailer: php phpmailer.php PORT IMPLICIT CA USER PASSWORD TO
require '/usr/share/php/libphp-phpmailer/autoload.php';
[, $port, $implicit, $ca, $user, $password, $to] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) $port;
$mail->SMTPSecure = $implicit === 'true' ? 'ssl' : 'tls';
$mail->SMTPAuth = true;
$mail->Username = $user;
$mail->Password = $password;
$mail->SMTPOptions = ['ssl' => ['cafile' => $ca, 'verify_peer' => true, 'verify_peer_name' => true]];
$mail->setFrom($user, 'Alice');
$mail->addAddress($to);
$mail->CharSet = 'UTF-8';
$mail->Subject = 'Grüße von PHPMailer';
$mail->Body = "One line.\r\n.dot\r\n";
$mail->send();
