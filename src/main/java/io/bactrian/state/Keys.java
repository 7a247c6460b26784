package io.bactrian.state;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/** Idempotency keys of our writes: {@code bactrian:<installation>:<entity>:<record id>:<revision>:<hash of the request>}. Of before there were installations they lack that. */
public final class Keys {

    private static final int LONG = 64;
    private static final Pattern NUMBER = Pattern.compile("^[0-9]{1,18}");

    private Keys() {
    }

    /** What the keys of all writes of an entity's records begin with. */
    public static String ofEntity(String installation, String entity) {
        return "bactrian:" + installation + ":" + entity + ":";
    }

    /** What the keys of a record begin with; the revision follows. */
    public static String prefix(String installation, String entity, String recordId) {
        return ofEntity(installation, entity) + shortened(recordId) + ":";
    }

    /** The same of before there were installations. */
    public static String oldPrefix(String entity, String recordId) {
        return "bactrian:" + entity + ":" + shortened(recordId) + ":";
    }

    /**
     * The revision that a key names, if it is the key of a write to that record; else null. Others' keys name other installations; those of before there were any count for the
     * writes of that time only.
     */
    public static String revision(String installation, Link link, String key) {
        if (link == null || key == null) {
            return null;
        }
        var prefix = prefix(installation, link.entity, link.recordId);
        if (key.startsWith(prefix)) {
            return first(key.substring(prefix.length()));
        }
        var old = oldPrefix(link.entity, link.recordId);
        if (link.oldKeyTo == null || !key.startsWith(old)) {
            return null;
        }
        var revision = first(key.substring(old.length()));
        var number = NUMBER.matcher(revision);
        return number.find() && Long.parseLong(number.group()) <= link.oldKeyTo ? revision : null;
    }

    private static String first(String rest) {
        int colon = rest.indexOf(':');
        return colon < 0 ? rest : rest.substring(0, colon);
    }

    private static String shortened(String recordId) {
        if (recordId.codePointCount(0, recordId.length()) <= LONG) {
            return recordId;
        }
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(recordId.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("each Java has MD5", e);
        }
    }
}
