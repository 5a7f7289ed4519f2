# Mail::IMAPClient's own calls; the server must answer so that it understands. Port, certificate and password by
# environment; what was done is looked at by test_perl_imapclient.py.
use strict;
use warnings;
use Mail::IMAPClient;
use Test::More;

sub message {
    my ($number) = @_;
    return "From: Sender <sender\@example.org>\r\nSubject: message $number\r\n\r\nline of message $number\r\n";
}

sub client {
    my $imap = Mail::IMAPClient->new(
        Server => 'localhost', Port => $ENV{PORT}, User => 'u1', Password => $ENV{PASSWORD}, Uid => 1,
        Ssl => [SSL_ca_file => $ENV{CERTIFICATE}, SSL_verifycn_name => 'localhost', SSL_verifycn_scheme => 'imap']);
    ok($imap, 'connect and login') or BAIL_OUT($@);
    return $imap;
}

my $imap = client();
ok($imap->has_capability($_), "capability $_") for qw(IMAP4rev1 UIDPLUS MOVE IDLE NAMESPACE);
is_deeply(($imap->namespace // [])->[0], [['', '/']], 'namespace');

ok($imap->create('Work/2026'), 'create');
ok($imap->exists('Work/2026'), 'exists');
is_deeply([sort grep { /Work/ } $imap->folders], ['Work', 'Work/2026'], 'folders');
ok($imap->subscribe('Work/2026'), 'subscribe');
ok((grep { $_ eq 'Work/2026' } $imap->subscribed), 'subscribed');

my @uids = map { $imap->append_string('INBOX', message($_), $_ == 2 ? '\\Flagged' : '', '"21-Nov-2026 12:00:00 +0100"') } 1 .. 5;
is(scalar(grep { /^\d+$/ } @uids), 5, 'append gives uids');
ok($imap->select('INBOX'), 'select');
is($imap->message_count, 5, 'message_count');
is($imap->uidnext('INBOX'), $uids[4] + 1, 'uidnext');
is_deeply([$imap->messages], \@uids, 'messages');
is($imap->message_string($uids[2]), message(3), 'message_string');
is($imap->body_string($uids[2]), "line of message 3\r\n", 'body_string');
is($imap->subject($uids[3]), 'message 4', 'subject');
is($imap->size($uids[0]), length message(1), 'size');
is_deeply([$imap->search('SUBJECT', 'message 4')], [$uids[3]], 'search');
is_deeply([$imap->search('FLAGGED')], [$uids[1]], 'flagged');
is_deeply([$imap->seen], [$uids[2]], 'reading has set \\Seen');
my $structure = $imap->get_bodystructure($uids[0]);
is($structure->bodytype . '/' . $structure->bodysubtype, 'TEXT/PLAIN', 'bodystructure');
is($imap->get_envelope($uids[0])->subject, 'message 1', 'envelope');
my $fetched = $imap->fetch_hash([@uids[0, 1]], 'FLAGS', 'RFC822.SIZE', 'INTERNALDATE');
like($fetched->{$uids[1]}{FLAGS}, qr/\\Flagged/, 'fetch_hash: flags');
is($fetched->{$uids[0]}{'RFC822.SIZE'}, length message(1), 'fetch_hash: size');
is($fetched->{$uids[0]}{INTERNALDATE}, '21-Nov-2026 12:00:00 +0100', 'fetch_hash: date');

ok($imap->see($uids[0]), 'see');
ok($imap->store($uids[0], '+FLAGS', '($Label1)'), 'store a keyword');
like(join(' ', $imap->flags($uids[0])), qr/\$Label1/, 'flags');
ok($imap->copy('Work/2026', $uids[0]), 'copy');
ok($imap->move('Archive', $uids[3]), 'move');
ok($imap->delete_message($uids[4]), 'delete_message');
ok($imap->uidexpunge($uids[4]), 'uidexpunge');
ok($imap->expunge, 'expunge');
is_deeply([$imap->messages], [@uids[0 .. 2]], 'what is left');

my $tag = $imap->idle or die 'idle: ' . $imap->LastError;
my $other = client();
ok($other->append_string('INBOX', message(6)), 'another client appends');
ok($other->logout, 'and goes');
my $told = $imap->idle_data($ENV{DEADLINE}) // [];
like(join('', map { ref $_ ? @$_ : $_ } @$told), qr/\* 4 EXISTS/, 'idle_data');
ok($imap->done($tag), 'done');
ok(!defined $imap->select('Nowhere'), 'select of what is not there fails');
ok($imap->noop, 'and the session goes on');
ok($imap->logout, 'logout');
done_testing();
