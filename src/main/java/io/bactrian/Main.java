package io.bactrian;

/** Starts Bactrian: reads {@code application.properties}, loads {@code routes/} and runs until it is told to stop. */
public final class Main {

    private Main() {
    }

    public static void main(String[] args) throws Exception {
        var main = new org.apache.camel.main.Main();
        main.setPropertyPlaceholderLocations("file:application.properties");
        System.exit(main.run(args));
    }
}
