#!/bin/sh
# Sends the message in vxu.hl7. The password stands in password.txt, and in no command line.
set -eu

escaped() { sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' "$1"; }

{
  cat <<XML
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:iis="urn:cdc:iisb:2011">
<soap:Body><iis:submitSingleMessage>
<iis:username>{{username}}</iis:username>
<iis:password>$(escaped password.txt)</iis:password>
<iis:facilityID>{{facility}}</iis:facilityID>
<iis:hl7Message>$(escaped vxu.hl7)</iis:hl7Message>
</iis:submitSingleMessage></soap:Body>
</soap:Envelope>
XML
} | curl --silent --show-error ${IZ_CA:+--cacert "$IZ_CA"} --data-binary @- \
  --header 'Content-Type: application/soap+xml; charset=utf-8; action="urn:cdc:iisb:2011:submitSingleMessage"' \
  '{{endpoint}}'
