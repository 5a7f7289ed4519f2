# Mail::IMAPTalk's own calls, parsed its way. Port, certificate and password by environment; what was done is looked at
# by test_perl_imaptalk.py.
use strict;
use warnings;
use IO::Socket::SSL;
use Mail::IMAPTalk;
use Test::More;

sub message {
    my ($number) = @_;
    return "From: Sender <sender\@example.org>\r\nSubject: message $number\r\n\r\nline of message $number\r\n";
}

my $tls = IO::Socket::SSL->new(
    PeerAddr => 'localhost', PeerPort => $ENV{PORT}, SSL_ca_file => $ENV{CERTIFICATE},
    SSL_verifycn_name => 'localhost', SSL_verifycn_scheme => 'imap')
    or die "TLS: $IO::Socket::SSL::SSL_ERROR";
my $imap = Mail::IMAPTalk->new(Socket => $tls, Uid => 1) or die "new: $@";
ok($imap->login('u1', $ENV{PASSWORD}), 'login') or BAIL_OUT($@);
my $capability = $imap->capability;
ok($capability->{lc $_}, "capability $_") for qw(IMAP4rev1 CONDSTORE QRESYNC METADATA OBJECTID);
is_deeply($imap->namespace->[0], [['', '/']], 'namespace');
like(scalar $imap->id(name => 'imaptalk'), qr/"name" "Roost"/, 'id');
ok($imap->enable('condstore'), 'enable');

ok($imap->create('Work'), 'create');
ok($imap->append('INBOX', $_ == 2 ? '(\\Flagged)' : '()', { Literal => message($_) }), "append $_") for 1 .. 5;
ok($imap->select('INBOX'), 'select');
is($imap->get_response_code('exists'), 5, 'exists');
my $start = $imap->get_response_code('highestmodseq');
$start = $start->[0] if ref $start;
like($start, qr/^[1-9]\d*$/, 'highestmodseq');
my @uids = @{ $imap->search('ALL') };
is(scalar @uids, 5, 'search');
is_deeply(scalar $imap->search('flagged'), [$uids[1]], 'search flagged');
is_deeply(scalar $imap->search('subject', { Quote => 'message 4' }), [$uids[3]], 'search subject');
my $fetched = $imap->fetch(join(',', @uids), '(flags rfc822.size bodystructure envelope body.peek[text] modseq)');
is(scalar keys %$fetched, 5, 'fetch');
is($fetched->{$uids[2]}{body} // $fetched->{$uids[2]}{'body[text]'}, "line of message 3\r\n", 'body[text]');
is($fetched->{$uids[0]}{'rfc822.size'}, length message(1), 'rfc822.size');
is($fetched->{$uids[0]}{envelope}{Subject}, 'message 1', 'envelope');
is($fetched->{$uids[0]}{bodystructure}{'MIME-Type'}, 'text', 'bodystructure');
is_deeply([grep { $_ ne '\\Recent' } @{ $fetched->{$uids[1]}{flags} }], ['\\Flagged'], 'flags');

ok($imap->store($uids[0], '+flags', '(\\Seen $Label1)'), 'store');
my $changed = $imap->fetch('1:*', '(flags)', ['changedsince', $start]);
is_deeply([keys %$changed], [$uids[0]], 'changedsince');
ok($imap->copy($uids[0], 'Work'), 'copy');
ok($imap->move($uids[3], 'Archive'), 'move');
ok($imap->store($uids[4], '+flags', '(\\Deleted)'), 'store deleted');
ok($imap->uidexpunge($uids[4]), 'uidexpunge');
is_deeply(scalar $imap->search('all'), [@uids[0 .. 2]], 'what is left');
is($imap->status('Work', '(messages)')->{messages}, 1, 'status');
my $all = $imap->multistatus('(messages)', 'Work', 'Archive');
is_deeply([map { $all->{$_}{messages} } qw(Work Archive)], [1, 1], 'multistatus');
ok($imap->setmetadata('Work', '/private/comment', { Literal => 'ours' }), 'setmetadata');
is($imap->getmetadata('Work', '/private/comment')->{Work}{'/private/comment'}, 'ours', 'getmetadata');
my %special = map { $_->[2] => $_->[0] } @{ scalar $imap->list('', '*') };
ok((grep { lc $_ eq '\\trash' } @{ $special{Trash} }), 'list tells what Trash is for');
ok(!$imap->select('Nowhere'), 'select of what is not there fails');
ok($imap->noop, 'and the session goes on');
ok($imap->logout, 'logout');
done_testing();
