<?php
// SoapClient against a running server: php php_client.php READY_JSON 1.1|1.2

declare(strict_types=1);

final class FaultSeen extends Exception
{
    public function __construct(public readonly string $element, public readonly string $reason)
    {
        parent::__construct("fault $element with Reason '$reason'");
    }
}

$ready = json_decode(file_get_contents($argv[1]), true, flags: JSON_THROW_ON_ERROR);
$soap = $argv[2];
$tests = array_values(array_filter($ready['senders'], fn ($s) => $s['environment'] === 'test'));
$sender = $tests[0];

$client = new SoapClient($ready['wsdl'], [
    'soap_version' => $soap === '1.2' ? SOAP_1_2 : SOAP_1_1,
    'cache_wsdl' => WSDL_CACHE_NONE,
    'connection_timeout' => 60,
    'stream_context' => stream_context_create(['ssl' => [
        'cafile' => $ready['ca'],
        'verify_peer' => true,
        'verify_peer_name' => true,
    ]]),
]);

function call(string $operation, array $arguments): string
{
    global $client;
    try {
        return $client->$operation($arguments)->return;
    } catch (SoapFault $fault) {
        if (!isset($fault->detail) || !is_object($fault->detail)) {
            throw $fault;
        }
        $elements = get_object_vars($fault->detail);
        $element = array_key_first($elements);
        // Reason has no type in the schema, so SoapClient may hand it over as an object.
        $reason = $elements[$element]->Reason;
        $reason = is_object($reason) ? implode('', array_map('strval', get_object_vars($reason))) : $reason;
        throw new FaultSeen($element, (string) $reason);
    }
}

function control_id(): string
{
    global $soap;
    return 'php' . str_replace('.', '', $soap) . '-' . bin2hex(random_bytes(6));
}

function vxu(string $control_id, array $text = [], string $end = "\r", bool $last_end = true): string
{
    global $sender;
    $now = new DateTimeImmutable();
    $values = $text + [
        'control_id' => $control_id,
        'facility' => $sender['facility_id'],
        'site' => $sender['site_id'],
        'region' => $sender['region'],
        'processing' => 'T',
        'now' => $now->format('YmdHisO'),
        'today' => $now->format('Ymd'),
        'expires' => ((int) $now->format('Y') + 1) . '1231',
        'family' => 'Ibarra',
        'note' => 'given at the clinic',
    ];
    $message = str_replace("\n", $end, trim(file_get_contents(__DIR__ . '/vxu.hl7')));
    foreach ($values as $name => $value) {
        $message = str_replace('{{' . $name . '}}', $value, $message);
    }
    return $message . ($last_end ? $end : '');
}

function submit(string $message, ?string $password = null): string
{
    global $sender;
    return call('submitSingleMessage', [
        'username' => $sender['username'],
        'password' => $password ?? $sender['password'],
        'facilityID' => $sender['facility_id'],
        'hl7Message' => $message,
    ]);
}

/** Null when the message was acknowledged, else why not. */
function acknowledged(array $text = [], string $end = "\r", bool $last_end = true, array $codes = ['AA']): ?string
{
    $sent_id = control_id();
    $reply = submit(vxu($sent_id, $text, $end, $last_end));
    if (substr_count($reply, 'MSH|') !== 1) {
        return substr_count($reply, 'MSH|') . ' MSH in the reply';
    }
    $segments = preg_split('/[\r\n]+/', $reply);
    $msa = explode('|', current(preg_grep('/^MSA\|/', $segments)) ?: 'MSA||');
    if (!in_array($msa[1], $codes, true)) {
        return "MSA-1 is '$msa[1]', " . implode(' ', preg_grep('/^ERR\|/', $segments));
    }
    return $msa[2] === $sent_id ? null : "MSA-2 is '$msa[2]', sent '$sent_id'";
}

/** Null when the message was refused with this fault, else what came instead. */
function refused(string $element, string $reason, string $message, ?string $password = null): ?string
{
    try {
        submit($message, $password);
    } catch (FaultSeen $fault) {
        return [$fault->element, $fault->reason] === [$element, $reason] ? null : $fault->getMessage();
    }
    return 'accepted';
}

$cases = [
    'connectivity' => function (): ?string {
        $text = file_get_contents(__DIR__ . '/echo.txt');
        $came_back = call('connectivityTest', ['echoBack' => $text]);
        return $came_back === $text ? null : "came back as '$came_back'";
    },
    'submit' => fn () => acknowledged(),
    'submit_lf' => fn () => acknowledged(end: "\n"),
    'submit_crlf' => fn () => acknowledged(end: "\r\n"),
    'submit_cr' => fn () => acknowledged(end: "\r", last_end: false),
    // A registry may warn of letters outside A-Z in a name; the message is kept all the same.
    'non_ascii' => fn () => acknowledged(['family' => 'Núñez-李'], codes: ['AA', 'AE']),
    'markup' => fn () => acknowledged(['note' => '2 < 3 > 1 ]]> Sample \T\ Sons <b>']),
    'wrong_password' => fn () => refused('SecurityFault', 'Security', vxu(control_id()), 'not the password'),
    'two_messages' => fn () => refused('MessageTooLargeFault', 'MessageTooLarge', vxu(control_id()) . vxu(control_id())),
    'oversize' => fn () => refused(
        'MessageTooLargeFault',
        'MessageTooLarge',
        vxu(control_id(), ['note' => str_repeat('x', 2_000_000)]),
    ),
];

$failed = false;
foreach ($cases as $name => $case) {
    try {
        $why = $case();
    } catch (Throwable $error) {
        $why = get_class($error) . ': ' . $error->getMessage();
    }
    $failed = $failed || $why !== null;
    echo $why === null ? "ok $name\n" : "FAIL $name: " . substr(preg_replace('/\s+/', ' ', $why), 0, 300) . "\n";
}
exit($failed ? 1 : 0);
