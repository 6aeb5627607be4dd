// One mail through nodemailer: node nodemailer.js PORT IMPLICIT CA USER PASSWORD TO
const fs = require('fs');
const nodemailer = require('nodemailer');
const [port, implicit, ca, user, pass, to] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host: 'localhost', port: Number(port), secure: implicit === 'true', requireTLS: true,
  auth: { user, pass }, tls: { ca: fs.readFileSync(ca) },
});
transport.sendMail({
  from: { name: 'Alice', address: user }, to, subject: 'Grüße von nodemailer', text: 'One line.\n.dot\n',
  html: '<p>One line.</p>', attachments: [{ filename: 'a.bin', content: Buffer.from([0, 1, 254, 255]) }],
}).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
