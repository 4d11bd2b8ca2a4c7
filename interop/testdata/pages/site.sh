# The site that the pages in docs are executed on: this machine, with its own /etc, /var,
# /run and network, so that what a page does to them is nobody else's. Of the arguments $1
# is a folder to work in, $2 this repository, $3 our command, $4 the test program and $5
# the page as a script. It wants bash.
set -eu
room=$1 tree=$2 command=$3 tests=$4 page=$5

mount -t tmpfs -o mode=755 tmpfs "$room"
for dir in /etc /var /usr/local/bin /usr/local/sbin "$tree"; do
  mkdir -p "$room/$dir.upper" "$room/$dir.work"
  mount -t overlay overlay -o "lowerdir=$dir,upperdir=$room/$dir.upper,workdir=$room/$dir.work" "$dir"
done
mount -t tmpfs -o mode=755 tmpfs /run
hostname mail.example.com
ip link set lo up
for a in 192.0.2.1 192.0.2.7; do ip address add $a/32 dev lo; done
cd "$tree"
cp "$command" /usr/local/bin/saslkit
command=/usr/local/bin/saslkit
secret=opensesame # which is what is typed

echo "192.0.2.1 submission.example.com" > /etc/hosts
names="mail.example.com smtp.example.com mail.example mail.isp.example id.example.com ldap1.example.com ldap2.example.com db1.example db2.example replica1.example primary.example"
echo "127.0.0.1 localhost $names" >> /etc/hosts
mkdir -p /run/tls /run/saslkit /run/saslauthd /etc/ssl/certs /etc/saslkit
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=mail.example.com" \
  -addext "subjectAltName=$(printf 'DNS:%s,' submission.example.com $names | sed 's/,$//')" \
  -keyout /run/tls/key.pem -out /run/tls/cert.pem 2> /run/tls/log
cat /run/tls/cert.pem >> /etc/ssl/certs/ca-certificates.crt

sed -i 's/:.*/:*:20000::::::/' /etc/shadow
useradd --system --no-create-home saslkit
for user in alice bob carol; do
  useradd --no-create-home -p "$(openssl passwd -6 "$secret")" "$user"
  echo "$secret" | "$command" passwd -f /etc/sasldb2 --password-stdin "$user@example.com" > /run/said
done
SASLKIT_PAGES=peers "$tests" -test.run '^TestPagesPeers$' > /run/peers 2>&1 &
until [ -e /run/peers.ready ]; do kill -0 $! || { cat /run/peers; exit 1; }; sleep 0.02; done

# Daemons of ours, by whatever name, go to the background and say there that they serve.
mkdir -p /run/libexec
mv "$command" /run/libexec/saslkit
cat > "$command" <<'END'
#!/bin/bash
name=${0##*/}
case $name:${1-} in
saslkit:serve | saslauthd:*)
  said=$(mktemp /run/served.XXXXXX)
  (exec -a "$name" /run/libexec/saslkit "$@") > "$said" 2>&1 &
  until grep -q -e '^ready' -e 'it stays in the foreground' "$said"; do
    kill -0 $! 2> /dev/null || { cat "$said"; exit 1; }
    sleep 0.02
  done
  echo $! >> "$daemons"
  ;;
*) exec -a "$name" /run/libexec/saslkit "$@" ;;
esac
END
chmod 755 "$command"

# over ends the daemons that the blocks before have started.
over() {
  local pid
  [ -e /run/daemons ] || return 0
  while read -r pid; do
    kill "$pid" || true
    while kill -0 "$pid" 2> /dev/null; do sleep 0.02; done
  done < /run/daemons
  rm /run/daemons
}

# step says which line of the page comes now.
step() { printf '\n@@ %s\n' "$1"; }

# put writes or adds a file that a page shows, and has it read by what reads such files.
put() {
  mkdir -p "$(dirname "$1")"
  if [ "${2-}" = added ]; then cat >> "$1"; else cat > "$1"; fi
  chmod 640 "$1" # it may hold a password
  case $1 in
  /etc/saslkit/acting) warned "$command" mechs --verifier sasldb:/etc/sasldb2 -r example.com --authorize "$1" ;;
  /etc/saslkit/tokens.conf) warned "$command" mechs --tokens "$(grep -q ^keys: "$1" && echo jwt || echo introspect):$1" ;;
  /etc/saslkit/sql.conf) warned "$command" mechs --verifier sql:"$1" ;;
  /etc/saslauthd.conf) warned "$command" mechs --verifier ldap:"$1" -r example.com ;;
  /etc/postfix/sasl/smtpd.conf) warned "$command" mechs --conf smtpd -r example.com ;;
  /etc/postfix/main.cf) warned postconf -n; postfix check ;;
  /etc/postfix/senders) postmap "$1" ;;
  /etc/pam.d/*) lets_in "pam:${1##*/}" ;;
  /etc/exim4/conf.d/auth/*) exim ;;
  /etc/default/saslkit) options=$(. "$1" && echo "$SASLKIT_OPTIONS") && warned "$command" mechs $options ;;
  *) echo "nothing reads $1"; return 1 ;;
  esac
}

# warned fails with a program that fails or warns.
warned() {
  "$@" > /run/said 2>&1 && ! grep -i warning /run/said || { echo "$*:"; cat /run/said; return 1; }
}

# lets_in fails unless a verifier lets alice in by her password and by no other.
lets_in() {
  warned "$command" check --verifier "$1" --password-stdin "${2-alice}" <<< "$secret"
  refuses "$1" "${2-alice}" wrong
}

# fails fails with a command that does not.
fails() {
  if "$@"; then
    echo "it does not fail: $*"
    return 1
  fi
}

# refuses fails unless a verifier refuses a user.
refuses() {
  local code=0
  "$command" check --verifier "$1" --password-stdin "$2" <<< "${3-$secret}" > /run/said 2>&1 || code=$?
  [ $code = 1 ] || { echo "check --verifier $1 $2: $code"; cat /run/said; return 1; }
}

# mail_server is Postfix without logins: what the page shows comes into its main.cf, after
# the parameters given here.
mail_server() {
  cat > /etc/postfix/main.cf <<'END'
compatibility_level = 3.6
maillog_file = /var/log/mail.log
myhostname = submission.example.com
inet_interfaces = 192.0.2.1
smtpd_tls_cert_file = /run/tls/cert.pem
smtpd_tls_key_file = /run/tls/key.pem
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_sasl_authenticated, reject
mydestination =
default_transport = discard
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtp_dns_support_level = disabled
END
  cat > /etc/postfix/master.cf <<'END'
587     inet       n - n - -   smtpd
cleanup unix       n - n - 0   cleanup
qmgr    unix       n - n 300 1 qmgr
rewrite unix       - - n - -   trivial-rewrite
tlsmgr  unix       - - n 300 1 tlsmgr
bounce  unix       - - n - 0   bounce
defer   unix       - - n - 0   bounce
discard unix       - - n - -   discard
anvil   unix       - - n - 1   anvil
postlog unix-dgram n - n - 1   postlogd
END
  [ $# = 0 ] || postconf -e "$@"
  postfix start > /run/postfix.log 2>&1 || { cat /run/postfix.log; cat /var/log/mail.log; return 1; }
}

# sends sends a message through it from 192.0.2.7: acting as whom, from which address, and
# by which password.
sends() {
  echo test | curl -sS --interface 192.0.2.7 --ssl-reqd --url smtp://submission.example.com:587 --user "alice:${3-$secret}" \
    --login-options AUTH=PLAIN ${1:+--sasl-authzid "$1"} --mail-from "$2" --mail-rcpt dan@elsewhere.example -T -
}

# exim reads the authenticators of a page.
exim() {
  local root=${SASLKIT_EXIM%/usr/sbin/exim4}
  id Debian-exim > /run/said 2>&1 || useradd --system --no-create-home Debian-exim
  { echo 'keep_environment ='; echo 'begin authenticators'; cat /etc/exim4/conf.d/auth/*; } > /run/exim.conf
  LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu):$root/usr/lib warned "$SASLKIT_EXIM" -C /run/exim.conf -bV
}

# systemctl is not for this site. What it does is shown on a machine.
systemctl() {
  grep -q -x "systemctl $*" docs/packages.md docs/guides/*.md
}

# directory is slapd of the page about LDAP.
directory() {
  mkdir -p /run/slapd /var/lib/directory
  cat > /run/slapd.conf <<'END'
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile /run/tls/cert.pem
TLSCertificateKeyFile /run/tls/key.pem
access to attrs=userPassword by dn.exact=gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth read by * auth
access to * by * read
database mdb
suffix dc=example,dc=com
rootdn cn=mail,dc=example,dc=com
rootpw "the service account's password"
directory /var/lib/directory
END
  cat > /run/entries <<END
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: Alice
sn: Alice
userPassword: $secret

dn: uid=bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
cn: Bob
sn: Bob
userPassword: $secret

dn: cn=mail,ou=groups,dc=example,dc=com
objectClass: groupOfUniqueNames
objectClass: extensibleObject
uniqueMember: uid=alice,ou=people,dc=example,dc=com
member: uid=alice,ou=people,dc=example,dc=com
END
  slapadd -f /run/slapd.conf -l /run/entries
  slapd -f /run/slapd.conf -h 'ldaps:/// ldapi://%2Frun%2Fslapd%2Fldapi/'
}

# database is PostgreSQL of the page about SQL.
database() {
  local bin
  bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1) # where Debian has them
  install -d -o postgres /run/postgresql
  postgres "$bin/initdb" --no-sync --auth=trust --encoding=UTF8 --locale=C -D /run/postgresql/data > /run/said
  postgres "$bin/pg_ctl" -w start -D /run/postgresql/data -l /run/postgresql/log \
    -o '-c fsync=off' > /run/said
  postgres psql -q -c 'CREATE ROLE mail LOGIN' -c 'CREATE DATABASE mail OWNER mail'
}
postgres() { (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }
statements() { psql -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -U mail "$@"; }

# What daemons say is of use where something fails.
trap 'echo; cat /run/served.* 2> /dev/null || true' ERR
source "$page"
over
step log
cat /run/served.* /var/log/mail.log 2> /dev/null || true
