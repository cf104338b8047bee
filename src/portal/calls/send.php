<?php
// Needs the extension soap. Sends the message in vxu.hl7; the password stands in password.txt.
$tls = getenv('IZ_CA') ? ['cafile' => getenv('IZ_CA')] : [];
$client = new SoapClient('{{endpoint}}?wsdl', [
    'soap_version' => SOAP_1_2,
    'stream_context' => stream_context_create(['ssl' => $tls]),
]);

$reply = $client->submitSingleMessage([
    'username' => '{{username}}',
    'password' => trim(file_get_contents('password.txt')),
    'facilityID' => '{{facility}}',
    'hl7Message' => trim(file_get_contents('vxu.hl7')),
]);
echo str_replace("\r", "\n", $reply->return), "\n";
