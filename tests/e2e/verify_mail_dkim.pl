# Verifies messages with Mail::DKIM: perl verify_mail_dkim.pl NAME RECORD FILE... prints a result for each file.
# RECORD is what DNS would answer for NAME; nothing is asked of the network.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;

package OneRecord;
use Net::DNS;
sub new { my ($class, $name, $text) = @_; return bless { name => $name, text => $text }, $class; }

sub send {
    my ($self, $name, $type) = @_;
    my $answer = Net::DNS::Packet->new($name, $type, 'IN');
    if (lc $name eq $self->{name} && $type eq 'TXT') {
        my @pieces = $self->{text} =~ /(.{1,255})/gs;
        $answer->push(answer => Net::DNS::RR->new(owner => $name, type => 'TXT', txtdata => \@pieces));
    } else {
        $answer->header->rcode('NXDOMAIN');
    }
    return $answer;
}
sub errorstring { return 'NXDOMAIN'; }

package main;
my ($name, $record, @files) = @ARGV;
Mail::DKIM::DNS::resolver(OneRecord->new($name, $record));
for my $file (@files) {
    my $verifier = Mail::DKIM::Verifier->new();
    open my $in, '<:raw', $file or die "$file: $!";
    while (my $line = <$in>) { $verifier->PRINT($line); }
    $verifier->CLOSE;
    # Only the signature on top is ours.
    my ($ours) = grep { ($_->selector // '') eq (split /\./, $name)[0] } $verifier->signatures;
    print $ours ? $ours->result : 'none', ' ', $file, "\n";
}
