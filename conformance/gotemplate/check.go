package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// checked is what a template made by chance, to be looked at as Go's own would be.
//
//	{"what": "certificate", "cert": PEM, "key": PEM, "ca": PEM}    every field that is not of chance
//	{"what": "key", "key": PEM}                                    its kind, size and form
//	{"what": "bcrypt", "hash": …, "password": …}                   whether they belong together
type checked struct {
	What     string `json:"what"`
	Cert     string `json:"cert"`
	Key      string `json:"key"`
	Ca       string `json:"ca"`
	Hash     string `json:"hash"`
	Password string `json:"password"`
}

func check(asked checked) map[string]any {
	switch asked.What {
	case "certificate":
		return checkCertificate(asked)
	case "key":
		return checkKey(asked.Key)
	case "bcrypt":
		cost, err := bcrypt.Cost([]byte(asked.Hash))
		belongs := bcrypt.CompareHashAndPassword([]byte(asked.Hash), []byte(asked.Password))
		return map[string]any{"cost": cost, "error": fmt.Sprint(err), "belongs": fmt.Sprint(belongs), "length": len(asked.Hash)}
	}
	return map[string]any{"unknown": asked.What}
}

// block reads the one block of a PEM text, and tells whether Go would write it so.
func block(text string) (*pem.Block, bool) {
	found, rest := pem.Decode([]byte(text))
	if found == nil {
		return &pem.Block{}, false
	}
	return found, len(rest) == 0 && bytes.Equal(pem.EncodeToMemory(found), []byte(text))
}

func checkCertificate(asked checked) map[string]any {
	found, written := block(asked.Cert)
	cert, err := x509.ParseCertificate(found.Bytes)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	roots := x509.NewCertPool()
	authority := cert
	if asked.Ca != "" {
		ca, _ := block(asked.Ca)
		if authority, err = x509.ParseCertificate(ca.Bytes); err != nil {
			return map[string]any{"ca error": err.Error()}
		}
	}
	roots.AddCert(authority)
	at := cert.NotBefore
	_, verified := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	_, forServers := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at})
	var names []string
	for _, name := range cert.DNSNames {
		names = append(names, fmt.Sprint(name, " ", cert.VerifyHostname(name)))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, fmt.Sprint(ip, " ", cert.VerifyHostname(ip.String())))
	}
	var extensions []string
	for _, extension := range cert.Extensions {
		value := hex.EncodeToString(extension.Value)
		if id := extension.Id.String(); id == "2.5.29.14" || id == "2.5.29.35" {
			value = fmt.Sprint(len(extension.Value)) // Made of the key, which is of chance.
		}
		extensions = append(extensions, fmt.Sprint(extension.Id, " ", extension.Critical, " ", value))
	}
	_, pair := tls.X509KeyPair([]byte(asked.Cert), []byte(asked.Key))
	return map[string]any{
		"written":    written,
		"label":      found.Type,
		"version":    cert.Version,
		"subject":    hex.EncodeToString(cert.RawSubject),
		"issuer":     hex.EncodeToString(cert.RawIssuer),
		"serial":     cert.SerialNumber.Sign() > 0 && cert.SerialNumber.BitLen() > 64 && cert.SerialNumber.BitLen() <= 128,
		"seconds":    int(cert.NotAfter.Sub(cert.NotBefore).Seconds()),
		"signature":  cert.SignatureAlgorithm.String(),
		"public":     publicKey(cert.PublicKey),
		"usage":      int(cert.KeyUsage),
		"purposes":   fmt.Sprint(cert.ExtKeyUsage),
		"authority":  fmt.Sprint(cert.BasicConstraintsValid, cert.IsCA, cert.MaxPathLen, cert.MaxPathLenZero),
		"names":      names,
		"extensions": extensions,
		"own id":     ownID(cert),
		"issuer id":  bytes.Equal(cert.AuthorityKeyId, authority.SubjectKeyId),
		"verified":   fmt.Sprint(verified),
		"servers":    fmt.Sprint(forServers),
		"pair":       fmt.Sprint(pair),
		"key":        checkKey(asked.Key),
	}
}

// ownID tells whether the id of a certificate's key is the hash that Go makes of it.
func ownID(cert *x509.Certificate) string {
	var info struct {
		Algorithm asn1.RawValue
		Bits      asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &info); err != nil {
		return err.Error()
	}
	hash := sha256.Sum256(info.Bits.Bytes)
	return fmt.Sprint(len(cert.SubjectKeyId), " ", bytes.Equal(cert.SubjectKeyId, hash[:20]))
}

func publicKey(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprint("RSA ", key.N.BitLen(), " ", key.E)
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", key)
}

func checkKey(text string) map[string]any {
	found, written := block(text)
	answer := map[string]any{"written": written, "label": found.Type}
	if key, err := x509.ParsePKCS1PrivateKey(found.Bytes); err == nil {
		answer["pkcs1"] = publicKey(&key.PublicKey)
		answer["valid"] = fmt.Sprint(key.Validate())
		answer["same"] = bytes.Equal(x509.MarshalPKCS1PrivateKey(key), found.Bytes)
	}
	if key, err := x509.ParseECPrivateKey(found.Bytes); err == nil {
		again, err := x509.MarshalECPrivateKey(key)
		answer["ec"] = publicKey(&key.PublicKey)
		answer["same"] = err == nil && bytes.Equal(again, found.Bytes)
	}
	if key, err := x509.ParsePKCS8PrivateKey(found.Bytes); err == nil {
		again, err := x509.MarshalPKCS8PrivateKey(key)
		answer["pkcs8"] = fmt.Sprintf("%T", key)
		answer["same"] = err == nil && bytes.Equal(again, found.Bytes)
	}
	return answer
}
